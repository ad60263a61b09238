import { assert, assertNever, type Sats } from '@finality/kernel';
import { type FeeRate, feeRateOf, outputWeight } from './fees.ts';
import type { ScriptHex } from './ids.ts';

export interface SharedFee {
  /** All of the transaction's fee, what it pays beyond the feerate included. */
  readonly feeSats: Sats;
  /** The feerate that the transaction was built for. */
  readonly feeRate: FeeRate;
  /** Script of each payout's output, in order; change is nobody's payout. */
  readonly scripts: readonly ScriptHex[];
}

/**
 * What each payout of a transaction bears of its fee, in their order: its own output's bytes at the feerate exactly, and the rest (inputs, header,
 * change) in equal parts. Shares are rounded down to satoshi; what that leaves goes, one each, to the largest remainders, of equals to the first
 * (Hare–Niemeyer). They sum to the fee.
 */
export function feeShares({ feeSats, feeRate, scripts }: SharedFee): readonly Sats[] {
  assert(scripts.length > 0, 'a fee is shared by somebody');
  const count = BigInt(scripts.length);
  // In 1/(1000 × count) sat every share is a whole number.
  const unitsPerSat = 1000n * count;
  const own = scripts.map((script) => BigInt(outputWeight(script) / 4) * feeRate * count);
  const overhead = feeSats * unitsPerSat - own.reduce((sum, units) => sum + units, 0n);
  assert(overhead >= 0n, `a fee of ${feeSats} sat pays for ${scripts.length} outputs at ${feeRate} sat/kvB`);
  const exact = own.map((units) => units + overhead / count);
  const floors = exact.map((units) => units / unitsPerSat);
  const left = Number(feeSats - floors.reduce((sum, share) => sum + share, 0n));
  assert(left >= 0 && left < scripts.length, 'rounding leaves less than a satoshi of each share');
  const byRemainder = [...exact.keys()].sort((a, b) => {
    const difference = (exact[b]! % unitsPerSat) - (exact[a]! % unitsPerSat);
    return difference > 0n ? 1 : difference < 0n ? -1 : a - b;
  });
  const rounded = new Set(byRemainder.slice(0, left));
  return floors.map((share, index) => (share + (rounded.has(index) ? 1n : 0n)) as Sats);
}

/** A payout's output, and the most that its share of the fee may be. */
export interface CappedOutput {
  readonly script: ScriptHex;
  readonly feeCapSats: Sats;
}

/** The most that the fee of these payouts' transaction may be so that nobody's share is above its cap; negative where no fee is low enough. */
export function sharedFeeCap(payouts: readonly CappedOutput[], feeRate: FeeRate): bigint {
  assert(payouts.length > 0, 'a fee is shared by somebody');
  // In 1/1000 sat an output's bytes at the feerate are a whole number.
  const own = payouts.map(({ script }) => BigInt(outputWeight(script) / 4) * feeRate);
  const overheads = payouts.map(({ feeCapSats }, i) => feeCapSats * 1000n - own[i]!);
  const overheadMax = overheads.reduce((least, overhead) => (overhead < least ? overhead : least));
  const cap = own.reduce((sum, units) => sum + units, 0n) + overheadMax * BigInt(payouts.length);
  return cap < 0n ? -1n : cap / 1000n;
}

/** A version's fee as it is charged to its payouts. */
export interface VersionFee {
  readonly feeSats: Sats;
  /** Of the fee: what was left over and too little for change. It buys no room in a block. */
  readonly droppedSats: Sats;
  /** The most that the signed transaction can weigh. */
  readonly weight: number;
  /** Script of each payout's output, in order. */
  readonly scripts: readonly ScriptHex[];
}

export interface PayoutFee {
  /** The payout's share of the version's fee, with its part of what was dropped; the shares add up to the fee. */
  readonly feeSats: Sats;
  readonly droppedSats: Sats;
}

/** What each payout of a version bears: its share of what the room in the block costs, and an equal part of what was dropped. */
export function payoutFees({ feeSats, droppedSats, weight, scripts }: VersionFee): readonly PayoutFee[] {
  assert(droppedSats >= 0n && droppedSats <= feeSats, `of a fee of ${feeSats} sat, ${droppedSats} were dropped`);
  const neededSats = (feeSats - droppedSats) as Sats;
  const needed = feeShares({ feeSats: neededSats, feeRate: feeRateOf(neededSats, weight), scripts });
  const dropped = feeShares({ feeSats: droppedSats, feeRate: 0n as FeeRate, scripts });
  return needed.map((share, i) => ({ feeSats: (share + dropped[i]!) as Sats, droppedSats: dropped[i]! }));
}

/** Who bears a payout's share of the fee, by agreement. */
export interface FeeTerms {
  /** Of the quote: the payee gets the amount less all of it, or half, rounded down; or the amount. */
  readonly bearer: 'payer' | 'payee' | 'shared';
  /** Who bears what later versions cost more than the quote. What they cost less, and what was dropped, is the payer's: his coins made it. */
  readonly bumpBearer: 'payer' | 'platform';
}

/** What each side bears; together the share. The payer's is negative where a version costs less than the payee was quoted. */
export interface FeeCharge {
  readonly payeeSats: Sats;
  readonly payerSats: bigint;
  readonly platformSats: Sats;
}

/** The payee's part of a quote, which its amount is less: fixed from the first version on, so that it is the same in every version. */
export function payeePartOf(quoteSats: Sats, bearer: FeeTerms['bearer']): Sats {
  switch (bearer) {
    case 'payer':
      return 0n as Sats;
    case 'payee':
      return quoteSats;
    case 'shared':
      return (quoteSats / 2n) as Sats;
    default:
      return assertNever(bearer, 'bearer of fees');
  }
}

/** Whom a payout's share of the fee is charged to. The quote is its share in the first version, without what was dropped. */
export function chargeFee(shareSats: Sats, quoteSats: Sats, { bearer, bumpBearer }: FeeTerms): FeeCharge {
  const payeeSats = payeePartOf(quoteSats, bearer);
  const isPlatforms = bumpBearer === 'platform' && shareSats > quoteSats;
  const platformSats = (isPlatforms ? shareSats - quoteSats : 0n) as Sats;
  return { payeeSats, payerSats: shareSats - payeeSats - platformSats, platformSats };
}
