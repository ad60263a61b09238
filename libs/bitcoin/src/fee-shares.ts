import { assert, assertNever, type Sats } from '@finality/kernel';
import { type FeeRate, outputWeight } from './fees.ts';
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

/** Who bears a payout's share of the fee, by agreement. */
export interface FeeTerms {
  /** The payee gets the amount less the quote, or all of it. */
  readonly bearer: 'payer' | 'payee';
  /** Who bears what later versions cost more than the quote, and keeps what they cost less. */
  readonly bumpBearer: 'payer' | 'platform';
}

/** What each side bears; together the share. `payer` or `platform` is negative where a later version costs less than was quoted. */
export interface FeeCharge {
  readonly payeeSats: Sats;
  readonly payerSats: bigint;
  readonly platformSats: bigint;
}

/**
 * Whom a payout's share of the fee is charged to. The share in the first version is the quote: it is fixed from then on, so that a payee's
 * amount is the same in every version.
 */
export function chargeFee(shareSats: Sats, quoteSats: Sats, { bearer, bumpBearer }: FeeTerms): FeeCharge {
  const bumpSats = shareSats - quoteSats;
  const payeeSats = (bearer === 'payee' ? quoteSats : 0n) as Sats;
  const payerQuoteSats = bearer === 'payer' ? quoteSats : 0n;
  switch (bumpBearer) {
    case 'payer':
      return { payeeSats, payerSats: payerQuoteSats + bumpSats, platformSats: 0n };
    case 'platform':
      return { payeeSats, payerSats: payerQuoteSats, platformSats: bumpSats };
    default:
      return assertNever(bumpBearer, 'bearer of bumps');
  }
}
