import type { Branch, OutpointKey, ScriptHex } from '@finality/bitcoin';
import type { Instant, Sats } from '@finality/kernel';
import type { HeadReference } from '@finality/ledger';
import type { SignedStatement } from './statement.ts';

/** A coin to spend, in the order of the transaction's inputs. The script is derived from the signer's own keys, never taken from here. */
export interface DeclaredInput {
  readonly outpoint: OutpointKey;
  /** Both signature schemes commit to it (BIP143, BIP341): a wrong value makes the signature worthless. */
  readonly valueSats: Sats;
  readonly branch: Branch;
  readonly index: number;
}

/** What an output is for, in the order of the transaction's outputs. */
export type DeclaredOutput = PaidOutput | ChangeOutput | AnchorOutput | HeadOutput;

/** What pays a settlement: an address of the payee's wallet, or a script of the payee's. */
export type PaidOutput = PayeeOutput | DestinationOutput;

export interface PayeeOutput {
  readonly kind: 'payee';
  readonly valueSats: Sats;
  readonly settlementId: string;
  readonly institutionId: string;
  readonly walletId: string;
  readonly branch: Branch;
  readonly index: number;
  /** What the wallet is in the signer's registry as, where its keys are the payee's own; missing: it is an account of the signer's. */
  readonly destinationId?: string;
}

/** A single script, as the signer has it in its registry. */
export interface DestinationOutput {
  readonly kind: 'destination';
  readonly valueSats: Sats;
  readonly settlementId: string;
  readonly institutionId: string;
  readonly destinationId: string;
}

export const isPaid = (output: DeclaredOutput): output is PaidOutput =>
  output.kind === 'payee' || output.kind === 'destination';

/** On the internal branch of the spending wallet. */
export interface ChangeOutput {
  readonly kind: 'change';
  readonly valueSats: Sats;
  readonly index: number;
}

/** Pay-to-anchor of zero value, for whoever wants to pay for the transaction's child. */
export interface AnchorOutput {
  readonly kind: 'anchor';
  readonly valueSats: Sats;
}

/** A head of the ledger behind an OP_RETURN, of zero value. */
export interface HeadOutput {
  readonly kind: 'head';
  readonly valueSats: Sats;
  readonly head: HeadReference;
}

/** BIP-less but fixed by Bitcoin Core 28: OP_1 and a push of 4e73. */
export const ANCHOR_SCRIPT = '51024e73' as ScriptHex;

/** What makes one payout legitimate. Signatures are hex, empty where their issuer doesn't sign yet. */
export interface PayoutAuthorisation {
  readonly settlementId: string;
  /** Scripts of signet, testnet4 and regtest can be the same, and so can ids: what is meant for one is worth nothing on another. */
  readonly network: string;
  readonly payerInstitutionId: string;
  readonly payeeInstitutionId: string;
  readonly amountSats: Sats;
  /** The most that the payee's part of the network fee may be: its output has at least the amount less this. */
  readonly payeeFeeMaxSats: Sats;
  readonly requestSignature: string;
  readonly requestKeyId: string;
  readonly requestNonce: string;
  readonly riskVerdictSignature: string;
  readonly amlVerdictSignature: string;
  /** By signatories of the payer. */
  readonly approvals: readonly SignedStatement[];
  /** What the institution asked for. No rule looks at it: it is kept for a settlement store that has to be restored. */
  readonly request?: RequestedSettlement;
}

export interface RequestedSettlement {
  readonly idempotencyKey: string;
  readonly mode: string;
  readonly referenceId: string;
  readonly callbackUrl?: string;
  readonly payerWalletId?: string;
  readonly destinationId?: string;
  /** The settlement that it pays back. */
  readonly reverses?: string;
  /** The netting window that its payer is paid out of. */
  readonly netPayoutOf?: string;
  /** When it was to begin, and by when to be paid. */
  readonly executeAt?: Instant;
  readonly expiresAt?: Instant;
  /** API key id. */
  readonly submittedBy: string;
  readonly policyVersion: string;
  readonly feeBearer: string;
  readonly bumpBearer: string;
  /** The payout's share of the version's fee, and what else settlement needs to book it again. */
  readonly feeSats: Sats;
  readonly droppedSats: Sats;
  readonly feeReservedSats: Sats;
  readonly receivedAt: Instant;
}

/** A transaction that somebody wants signed. Plain data, so that it can be stored with the decision and decided again. */
export interface SigningRequest {
  readonly lineageId: string;
  /** From 1. */
  readonly version: number;
  readonly walletId: string;
  /** The coin that every version of the lineage spends (DESIGN 8). */
  readonly anchor: OutpointKey;
  /** Unsigned, hex. */
  readonly unsignedTransaction: string;
  readonly inputs: readonly DeclaredInput[];
  readonly outputs: readonly DeclaredOutput[];
  /** Epoch of the store of whoever asks: a restored old copy has a lower one. */
  readonly epoch: number;
  readonly payouts: readonly PayoutAuthorisation[];
}
