import type { Branch, FeeRate, Network, OutpointKey, ScriptHex } from '@finality/bitcoin';
import type { Instant, Sats } from '@finality/kernel';
import type { Account } from './account.ts';
import type { DestinationState } from './destination.ts';
import type { ApprovalRulesState } from './payout-approval.ts';
import type { SignatoriesState } from './signatories.ts';
import type { HeadAnchored } from './ledger-heads.ts';
import type { LineageState } from './lineage.ts';

/** What the signer's operator allows at most. */
export interface SigningLimits {
  readonly feeMaxSats: Sats;
  readonly feeRateMax: FeeRate;
  /** Most that may leave all wallets of one institution within `windowMs`: payees and fees; of the versions of one lineage the dearest counts. */
  readonly rollingMaxSats: bigint;
  readonly windowMs: number;
  /** Payees' and change addresses may be so far beyond the highest index of their branch that the signer has had to do with. */
  readonly indexGapMax: number;
  /** Heads of the ledger may be written into the chain so far apart, each transaction at such a fee at most; missing: not at all. */
  readonly headAnchors?: { readonly apartMs: number; readonly feeMaxSats: Sats };
}

/** What the journal knows of a coin. */
export interface KnownCoin {
  /** The lineage that has it, once it was in an accepted transaction and until it is released. */
  readonly lineageId?: string;
  /** From the journal: declared when it was accepted before, or read from the transaction of ours that made it. */
  readonly valueSats?: Sats;
  /** Of the transaction of ours that made it. */
  readonly script?: ScriptHex;
}

/** A transaction that was accepted. */
export interface VersionRef {
  readonly lineageId: string;
  readonly version: number;
}

/** All that a decision rests on besides the request. Everything here is the signer's own. */
export interface SigningFacts {
  /** That the signer's keys are for. */
  readonly network: Network;
  /** The signer's registry of accounts. */
  account(walletId: string): Account | undefined;
  /** Derived from the signer's own keys. */
  scriptOf(account: Account, branch: Branch, index: number): ScriptHex;
  /** The highest index of a wallet's branch that was derived for its issuer, or is in the journal; -1: none. */
  indexHighest(walletId: string, branch: Branch): number;
  destination(destinationId: string): DestinationState;
  /** Who signs for an institution. */
  signatories(institutionId: string): SignatoriesState;
  /** What an institution's payouts need beside. */
  approvalRules(institutionId: string): ApprovalRulesState;
  /** That signatories address. */
  readonly domain: string;
  readonly now: Instant;
  readonly lineage: LineageState;
  /** Hash (hex) of the head that the signer has signed of this segment, if it has. */
  signedHead(epoch: number, segment: number): string | undefined;
  readonly headAnchored: HeadAnchored | null;
  coin(outpoint: OutpointKey): KnownCoin;
  /** Accepted transactions that pay this settlement. */
  paymentsOf(settlementId: string): readonly VersionRef[];
  /** Accepted transactions that whoever spends this coin needs: the one that made it, the one that made that one's anchor, and so on. */
  ancestryOf(anchor: OutpointKey): readonly VersionRef[];
  /** Another lineage, as the journal has it. */
  otherLineage(lineageId: string): LineageState;
  /** What left the institution's wallets within the window in other lineages. */
  readonly sentBeforeSats: bigint;
  /** The most that a version of this lineage sent within the window. */
  readonly sentInLineageSats: bigint;
  readonly limits: SigningLimits;
  readonly epochHighest: number;
}
