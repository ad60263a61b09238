import {
  buildPayoutTransaction,
  type Descriptor,
  deriveScript,
  parseOutpointKey,
  type PayoutOutput,
  type ScriptHex,
} from '@finality/bitcoin';
import { signingV1, toTimestamp } from '@finality/contracts';
import { type Instant, type Sats, unwrap } from '@finality/kernel';

// Payouts for tests to have signed.

let made = 0;

export const sats = (value: bigint): Sats => value as Sats;

export interface Wallet {
  readonly walletId: string;
  readonly institutionId: string;
  readonly descriptor: Descriptor;
}

export const scriptOf = ({ descriptor }: Wallet, branch: 0 | 1, index: number): ScriptHex =>
  deriveScript(descriptor, branch, index).script;

export interface Coin {
  readonly outpoint: string;
  readonly valueSats: bigint;
  readonly branch: 0 | 1;
  readonly index: number;
}

/** Of somebody else's making: what the signer can't know. */
export function coin(valueSats: bigint, index = 0): Coin {
  made += 1;
  return { outpoint: `${made.toString(16).padStart(64, '0')}:0`, valueSats, branch: 0, index };
}

export interface Payout {
  readonly from: Wallet;
  readonly to: Wallet;
  readonly coins: readonly Coin[];
  readonly amount: bigint;
  readonly fee?: bigint;
  readonly lineageId?: string;
  readonly settlementId?: string;
  readonly version?: number;
  /** Of the payee's address. */
  readonly index?: number;
}

/** A request that everything is right with, and the outputs it was built of. */
export function payout({ from, to, coins, amount, fee = 500n, ...more }: Payout): signingV1.SignTransactionRequest {
  made += 1;
  const { lineageId = `lineage-${made}`, settlementId = `settlement-${made}`, version = 1, index = 1 } = more;
  const changeSats = coins.reduce((sum, { valueSats }) => sum + valueSats, 0n) - amount - fee;
  const outputs: PayoutOutput[] = [
    { script: scriptOf(to, 0, index), valueSats: sats(amount) },
    { script: scriptOf(from, 1, 2), valueSats: sats(changeSats) },
  ];
  return signingV1.SignTransactionRequest.fromPartial({
    lineageId,
    version,
    walletId: from.walletId,
    anchor: coins[0]!.outpoint,
    unsignedTransaction: unsigned(from, coins, outputs),
    inputs: [...coins],
    outputs: [
      {
        valueSats: amount,
        payee: { settlementId, institutionId: to.institutionId, walletId: to.walletId, branch: 0, index },
      },
      { valueSats: changeSats, change: { index: 2 } },
    ],
    epoch: 1,
    authorisation: {
      payouts: [
        {
          settlementId,
          network: 'regtest',
          payerInstitutionId: from.institutionId,
          payeeInstitutionId: to.institutionId,
          amountSats: amount,
          payeeFeeMaxSats: 0n,
          request: {
            idempotencyKey: `key of ${settlementId}`,
            mode: 'bilateral',
            referenceId: 'reference',
            callbackUrl: 'https://bank.example/settled',
            reverses: 'settlement-before',
            destinationId: 'destination-named',
            executeAt: { seconds: 1_700_000_100n, nanos: 5_000_000 },
            expiresAt: { seconds: 1_700_000_200n, nanos: 0 },
            submittedBy: 'api-key',
            policyVersion: '1',
            feeBearer: 'payer',
            bumpBearer: 'payer',
            feeSats: fee,
            droppedSats: 0n,
            feeReservedSats: 5_000n,
            receivedAt: toTimestamp(1_700_000_000_000 as Instant),
          },
        },
      ],
    },
  });
}

export function unsigned(from: Wallet, coins: readonly Coin[], outputs: readonly PayoutOutput[]): Buffer {
  const inputs = coins.map(({ outpoint, valueSats, branch, index }) => ({
    outpoint: unwrap(parseOutpointKey(outpoint)),
    valueSats: sats(valueSats),
    script: scriptOf(from, branch, index),
  }));
  return Buffer.from(buildPayoutTransaction({ inputs, outputs, locktime: 100 }).unsigned, 'hex');
}

export const prevoutsOf = (from: Wallet, coins: readonly Coin[]): { valueSats: Sats; script: ScriptHex }[] =>
  coins.map(({ valueSats, branch, index }) => ({ valueSats: sats(valueSats), script: scriptOf(from, branch, index) }));
