import { assert, type Brand, err, ok, type Result, type Sats } from '@finality/kernel';
import type { CustodialScriptType as WalletScriptType } from './address.ts';
import { type Fault, fault } from './fault.ts';
import type { ScriptHex } from './ids.ts';
import { compactSizeLength } from './reader.ts';
import { outputLength } from './transaction.ts';

/** Satoshi per 1,000 virtual bytes (sat/kvB): fine enough for 0.001 sat/vB without fractions. People are shown sat/vB. */
export type FeeRate = Brand<bigint, 'FeeRate'>;

export type FeeRateFault = Fault<'INVALID_FEE_RATE'>;

/** Bitcoin Core's own sanity bound for a feerate is 0.1 BTC/kvB. */
const FEE_RATE_MAX = 10_000_000n;
const RATE_DECIMALS = 3;

/**
 * Weight (BIP141) of one input with the largest signature it can have, so that an estimate is never below what is signed.
 * P2WPKH: 41 bytes × 4, witness of count, 72-byte signature (low S, R may be high) and 33-byte key with their lengths.
 * P2TR by its key: 41 bytes × 4, witness of count, 64-byte signature (SIGHASH_DEFAULT) with its length.
 */
export const INPUT_WEIGHT: { readonly [T in WalletScriptType]: number } = { wpkh: 272, tr: 230 };

/** Most weight that nodes relay in one transaction. */
export const TRANSACTION_WEIGHT_MAX = 400_000;

/** A feerate we computed or configured, in sat per 1,000 vB; anything outside 0 to 10,000,000 is a bug. */
export function feeRate(satsPerKvb: bigint): FeeRate {
  assert(
    satsPerKvb >= 0n && satsPerKvb <= FEE_RATE_MAX,
    `${satsPerKvb} is not a feerate of 0 to ${FEE_RATE_MAX} sat/kvB`,
  );
  return satsPerKvb as FeeRate;
}

/** Parses a decimal number of sat/vB with at most three decimals: `1`, `0.1`, `12.345`. */
export function parseFeeRate(satsPerVb: string): Result<FeeRate, FeeRateFault> {
  const match = /^(\d{1,5})(?:\.(\d{1,3}))?$/.exec(satsPerVb);
  const rate = match && BigInt(match[1] + (match[2] ?? '').padEnd(RATE_DECIMALS, '0'));
  if (rate !== null && rate <= FEE_RATE_MAX) return ok(rate as FeeRate);
  return err(
    fault(
      'INVALID_FEE_RATE',
      `expected sat/vB, 0 to ${FEE_RATE_MAX / 1000n}, at most 3 decimals, got "${satsPerVb.slice(0, 40)}"`,
    ),
  );
}

/** Decimal sat/vB without trailing zeros: `1`, `0.1`, `12.345`. */
export function formatFeeRate(rate: FeeRate): string {
  const fraction = (rate % 1000n).toString().padStart(RATE_DECIMALS, '0').replace(/0+$/, '');
  return fraction === '' ? `${rate / 1000n}` : `${rate / 1000n}.${fraction}`;
}

/** Virtual bytes of a weight, rounded up as nodes do. */
export const vsizeOf = (weight: number): number => Math.ceil(weight / 4);

/** The fee of a transaction at a feerate: rounded up to a virtual byte, then up to a satoshi, so that the rate is never missed. */
export function feeFor(weight: number, rate: FeeRate): Sats {
  return ((BigInt(vsizeOf(weight)) * rate + 999n) / 1000n) as Sats;
}

/** The feerate that a fee amounts to, rounded down: what a node would say it pays. */
export function feeRateOf(feeSats: Sats, weight: number): FeeRate {
  return ((feeSats * 1000n) / BigInt(vsizeOf(weight))) as FeeRate;
}

/** Weight of an output. */
export const outputWeight = (script: ScriptHex): number => 4 * outputLength(script);

/** Largest weight that a transaction with these inputs and outputs has once it is signed. */
export function transactionWeight(inputs: readonly WalletScriptType[], outputScripts: readonly ScriptHex[]): number {
  const inputsWeight = inputs.reduce((sum, type) => sum + INPUT_WEIGHT[type], 0);
  const outputsWeight = outputScripts.reduce((sum, script) => sum + outputWeight(script), 0);
  return overheadWeight(inputs.length, outputScripts.length) + inputsWeight + outputsWeight;
}

/** Weight of what isn't inputs or outputs: version, locktime, both counts, and the two bytes of the segwit marker. */
export function overheadWeight(inputCount: number, outputCount: number): number {
  return 4 * (4 + 4 + compactSizeLength(inputCount) + compactSizeLength(outputCount)) + 2;
}
