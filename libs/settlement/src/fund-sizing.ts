import { assert } from '@finality/kernel';
import { type LossShare, sharesOf, sumOf } from './default.ts';

/** Named in every answer: another rule has another name. */
export const SIZING_RULE = 'cover-2-of-lines/1';

/** As many defaults at once as systemically important houses have to survive (CPMI-IOSCO, Principles for financial market infrastructures, 4, key consideration 4). */
export const COVERED_MEMBERS = 2;

/** One institution's, in one unit. */
export interface FundMember {
  readonly institutionId: string;
  /** In force now. */
  readonly line: bigint;
  /** Reservations included; maybe more than the line, where that was lowered since. */
  readonly drawn: bigint;
  readonly collateral: bigint;
  readonly contributed: bigint;
}

export interface SizedMember extends FundMember {
  /** What nobody but others stands for when it doesn't pay. */
  readonly exposure: bigint;
  /** What its contribution should be at least. */
  readonly required: bigint;
  readonly short: bigint;
}

/** Of one unit, in its smallest part. */
export interface FundSizing {
  /** What all contributions together should be. */
  readonly target: bigint;
  readonly fund: bigint;
  readonly short: bigint;
  /** In the order of the ids. */
  readonly members: readonly SizedMember[];
}

/**
 * What the default fund should be in a unit: as much as the members with the largest exposures could leave behind if they failed together, less the platform's standby
 * line, which is used before. An exposure is what may be drawn or is, whichever is more, beyond the member's own collateral: a line is granted to be used, so
 * what it could be counts, and not what it happened to be. Each member's part is in proportion to its exposure: whoever brings no risk contributes nothing,
 * and nobody more than it could lose others.
 */
export function sizeFund(all: readonly FundMember[], standby: bigint): FundSizing {
  assert(standby >= 0n, 'a standby line isn’t negative');
  const exposures = all.map((member): LossShare => ({
    institutionId: member.institutionId,
    amount: exposureOf(member),
  }));
  const byAmount = exposures.toSorted((a, b) => Number(a.amount < b.amount) - Number(a.amount > b.amount));
  const largest = byAmount.slice(0, COVERED_MEMBERS);
  const target = over(sumOf(largest), standby);
  const parts = new Map(sharesOf(target, exposures).map(({ institutionId, amount }) => [institutionId, amount]));
  const members = all
    .toSorted((a, b) => (a.institutionId < b.institutionId ? -1 : 1))
    .map((member): SizedMember => {
      const required = parts.get(member.institutionId) ?? 0n;
      const short = over(required, member.contributed);
      return { ...member, exposure: exposureOf(member), required, short };
    });
  const fund = all.reduce((sum, { contributed }) => sum + contributed, 0n);
  return { target, fund, short: over(target, fund), members };
}

function exposureOf({ line, drawn, collateral }: FundMember): bigint {
  return over(line > drawn ? line : drawn, collateral);
}

const over = (amount: bigint, less: bigint): bigint => (amount > less ? amount - less : 0n);
