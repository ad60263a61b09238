import { assert, assertNever, type Brand, err, ok, type Result, type Sats } from '@finality/kernel';
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
 * What it takes to spend a coin: the script expression of its wallet (BIP381 to 386), and for multisig how many of how many keys sign.
 * Keys are compressed.
 */
export type SpendKind = SingleKeySpend | MultisigSpend;

export interface SingleKeySpend {
  readonly type: 'pkh' | 'sh-wpkh' | 'wpkh' | 'tr';
}

export interface MultisigSpend {
  readonly type: 'wsh-sortedmulti' | 'sh-wsh-sortedmulti';
  readonly required: number;
  readonly keys: number;
}

/** Most weight that nodes relay in one transaction. */
export const TRANSACTION_WEIGHT_MAX = 400_000;

/** Stand-ins for scripts that aren't known yet: as long, of the same type, with the same dust limit. */
export const PLACEHOLDER_SCRIPT: { readonly [T in SpendKind['type']]: ScriptHex } = {
  pkh: `76a914${'00'.repeat(20)}88ac` as ScriptHex,
  'sh-wpkh': `a914${'00'.repeat(20)}87` as ScriptHex,
  wpkh: `0014${'00'.repeat(20)}` as ScriptHex,
  tr: `5120${'00'.repeat(32)}` as ScriptHex,
  'wsh-sortedmulti': `0020${'00'.repeat(32)}` as ScriptHex,
  'sh-wsh-sortedmulti': `a914${'00'.repeat(20)}87` as ScriptHex,
};

/** OP_CHECKMULTISIG takes no more. */
const MULTISIG_KEYS_MAX = 20;
/** OP_1 to OP_16 are one byte; a larger number is pushed. */
const SMALL_NUMBER_MAX = 16;
/**
 * The largest ECDSA signature that nodes relay, with its sighash byte: DER, S low (BIP146), R high. Signers that search for a low R, as ours
 * and Bitcoin Core's wallet do, need one byte less.
 */
const ECDSA_BYTES_MAX = 72;
/** BIP340 with SIGHASH_DEFAULT. */
const SCHNORR_BYTES = 64;
const PUBLIC_KEY_BYTES = 33;
/** Outpoint and nSequence. */
const INPUT_BYTES = 32 + 4 + 4;
const P2WPKH_SCRIPT_BYTES = 22;
const P2WSH_SCRIPT_BYTES = 34;

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

/**
 * Largest weight (BIP141) of one input, so that an estimate is never below what is signed: exact but for signatures that turn out shorter.
 * Without the empty witness that an input without one has in a segwit transaction: {@link weightOf} counts it.
 */
export function inputWeight(kind: SpendKind): number {
  switch (kind.type) {
    case 'pkh':
      return 4 * (INPUT_BYTES + 1 + pushed(ECDSA_BYTES_MAX) + pushed(PUBLIC_KEY_BYTES));
    case 'sh-wpkh':
      return 4 * (INPUT_BYTES + 1 + pushed(P2WPKH_SCRIPT_BYTES)) + WPKH_WITNESS_BYTES;
    case 'wpkh':
      return 4 * (INPUT_BYTES + 1) + WPKH_WITNESS_BYTES;
    case 'tr':
      return 4 * (INPUT_BYTES + 1) + 1 + pushed(SCHNORR_BYTES);
    case 'wsh-sortedmulti':
      return 4 * (INPUT_BYTES + 1) + multisigWitnessBytes(kind);
    case 'sh-wsh-sortedmulti':
      return 4 * (INPUT_BYTES + 1 + pushed(P2WSH_SCRIPT_BYTES)) + multisigWitnessBytes(kind);
    default:
      return assertNever(kind, 'spend kind');
  }
}

/** What a transaction's weight needs to know of its inputs: sums, so that inputs can be added one by one. */
export interface InputSums {
  readonly count: number;
  /** Inputs without a witness. */
  readonly legacyCount: number;
  readonly weight: number;
}

export const NO_INPUTS: InputSums = { count: 0, legacyCount: 0, weight: 0 };

export function addInput(sums: InputSums, kind: SpendKind): InputSums {
  const legacyCount = sums.legacyCount + (kind.type === 'pkh' ? 1 : 0);
  return { count: sums.count + 1, legacyCount, weight: sums.weight + inputWeight(kind) };
}

/** Largest weight of a signed transaction; `outputsWeight` is the sum of {@link outputWeight}. */
export function weightOf(
  { count, legacyCount, weight }: InputSums,
  outputCount: number,
  outputsWeight: number,
): number {
  // BIP144: marker, flag, and a witness for every input, empty where there is none; all of it only if one input has one.
  const segwit = legacyCount < count ? 2 + legacyCount : 0;
  const overhead = 4 * (4 + compactSizeLength(count) + compactSizeLength(outputCount) + 4);
  return overhead + segwit + weight + outputsWeight;
}

/** Largest weight that a transaction with these inputs and outputs has once it is signed. */
export function transactionWeight(inputs: readonly SpendKind[], outputScripts: readonly ScriptHex[]): number {
  const outputsWeight = outputScripts.reduce((sum, script) => sum + outputWeight(script), 0);
  return weightOf(inputs.reduce(addInput, NO_INPUTS), outputScripts.length, outputsWeight);
}

/** Bytes with their length before them, in a script or a witness. */
const pushed = (length: number): number => compactSizeLength(length) + length;

const WPKH_WITNESS_BYTES = 1 + pushed(ECDSA_BYTES_MAX) + pushed(PUBLIC_KEY_BYTES);

/** The count of items, the empty one that OP_CHECKMULTISIG asks for, signatures, and the script of all keys (BIP383). */
function multisigWitnessBytes({ required, keys }: MultisigSpend): number {
  assert(
    Number.isInteger(required) &&
      Number.isInteger(keys) &&
      1 <= required &&
      required <= keys &&
      keys <= MULTISIG_KEYS_MAX,
    `${required} of ${keys} keys is a multisig of at most ${MULTISIG_KEYS_MAX}`,
  );
  const script = numberBytes(required) + keys * pushed(PUBLIC_KEY_BYTES) + numberBytes(keys) + 1;
  return 1 + pushed(0) + required * pushed(ECDSA_BYTES_MAX) + pushed(script);
}

const numberBytes = (value: number): number => (value <= SMALL_NUMBER_MAX ? 1 : 2);
