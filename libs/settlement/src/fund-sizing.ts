import { assert } from '@finality/kernel';
import { type LossShare, sharesOf, sumOf } from './default.ts';

/** Named in every answer: another rule has another name. */
export const SIZING_RULE = 'cover-2-of-lines/1';

/** As many defaults at once as systemically important houses have to survive (CPMI-IOSCO, Principles for financial market infrastructures, 4, key consideration 4). */
export const COVERED_MEMBERS = 2;

/** One institution's, in satoshi. */
export interface FundMember {
  readonly institutionId: string;
  /** In force now. */
  readonly lineSats: bigint;
  /** Reservations included; maybe more than the line, where that was lowered since. */
  readonly drawnSats: bigint;
  readonly collateralSats: bigint;
  readonly contributedSats: bigint;
}

export interface SizedMember extends FundMember {
  /** What nobody but others stands for when it doesn't pay. */
  readonly exposureSats: bigint;
  /** What its contribution should be at least. */
  readonly requiredSats: bigint;
  readonly shortSats: bigint;
}

export interface FundSizing {
  /** What all contributions together should be. */
  readonly targetSats: bigint;
  readonly fundSats: bigint;
  readonly shortSats: bigint;
  /** In the order of the ids. */
  readonly members: readonly SizedMember[];
}

/**
 * What the default fund should be: as much as the members with the largest exposures could leave behind if they failed together, less the platform's standby
 * line, which is used before. An exposure is what may be drawn or is, whichever is more, beyond the member's own collateral: a line is granted to be used, so
 * what it could be counts, and not what it happened to be. Each member's part is in proportion to its exposure: whoever brings no risk contributes nothing,
 * and nobody more than it could lose others.
 */
export function sizeFund(all: readonly FundMember[], standbySats: bigint): FundSizing {
  assert(standbySats >= 0n, 'a standby line isn’t negative');
  const exposures = all.map((member): LossShare => ({
    institutionId: member.institutionId,
    amountSats: exposureOf(member),
  }));
  const byAmount = exposures.toSorted(
    (a, b) => Number(a.amountSats < b.amountSats) - Number(a.amountSats > b.amountSats),
  );
  const largest = byAmount.slice(0, COVERED_MEMBERS);
  const targetSats = over(sumOf(largest), standbySats);
  const required = new Map(
    sharesOf(targetSats, exposures).map(({ institutionId, amountSats }) => [institutionId, amountSats]),
  );
  const members = all
    .toSorted((a, b) => (a.institutionId < b.institutionId ? -1 : 1))
    .map((member): SizedMember => {
      const requiredSats = required.get(member.institutionId) ?? 0n;
      const shortSats = over(requiredSats, member.contributedSats);
      return { ...member, exposureSats: exposureOf(member), requiredSats, shortSats };
    });
  const fundSats = all.reduce((sum, { contributedSats }) => sum + contributedSats, 0n);
  return { targetSats, fundSats, shortSats: over(targetSats, fundSats), members };
}

function exposureOf({ lineSats, drawnSats, collateralSats }: FundMember): bigint {
  return over(lineSats > drawnSats ? lineSats : drawnSats, collateralSats);
}

const over = (sats: bigint, less: bigint): bigint => (sats > less ? sats - less : 0n);
