import { assert } from '@finality/kernel';
import { BTC, clearingClaim, type Unit } from '@finality/ledger';
import type { Book } from '../book.ts';
import type { DefaultIn, KnownCredit } from '../credit.ts';
import { type Bearers, type KnownDefault, owedTo, sharesOf, stillOwed, sumOf } from '../default.ts';
import { lossRepaid, standbyRepaid } from '../postings/default.ts';
import { ownIn } from './net-payouts.ts';

/** How often a defaulter's balance is looked at while it owes something to those who stood in for it. It is frozen: nothing leaves it meanwhile. */
export const REPAYMENT_EVERY_MS = 10_000;

/** Who does what nobody has asked for. */
const BY = 'repayment';

/**
 * What came in on a defaulter's balance since pays back those who stood in for it in that unit, in the reverse order of the waterfall (ADR 22): what nobody
 * covered is made good by being there; then others' contributions, in proportion to what each bore and hasn't got back; then the platform's standby line. What
 * its line lends stays lent.
 */
export function repayBearers(book: Book, { institutionId, owing }: KnownCredit): void {
  for (const [unit, ofUnit] of Map.groupBy(owing, (each) => each.unit)) repayIn(book, institutionId, unit, ofUnit);
}

function repayIn(book: Book, institutionId: string, unit: Unit, owing: readonly DefaultIn[]): void {
  const ids = owing.map(({ defaultId }) => defaultId);
  const { lent } = closed(book, ids.at(-1)!);
  const overLent = ownIn(book, institutionId, unit) + lent;
  const room = least(overLent, book.ledger.spendable(clearingClaim(institutionId, unit)));
  for (const [defaultId, part] of parts(book, ids, room, overLent)) {
    if (owedTo(part) > 0n && !pay(book, defaultId, part)) return;
    if (isOwing(book, defaultId)) continue;
    book.credits.record(institutionId, { type: 'bearers_repaid', at: book.now, institutionId, by: BY, defaultId });
  }
}

/** Contributions of all defaults come before the standby line, and older ones first. Only the newest may be uncovered: see {@link carryOver}. */
function parts(book: Book, owing: readonly string[], room: bigint, overLent: bigint): ReadonlyMap<string, Bearers> {
  const owed = owing.map((defaultId) => ({ defaultId, ...stillOwed(closed(book, defaultId)) }));
  let left = room;
  const take = (wanted: bigint): bigint => {
    const taken = least(left, wanted);
    left -= taken;
    return taken;
  };
  const shares = owed.map((each) => sharesOf(take(sumOf(each.shares)), each.shares));
  const standbys = owed.map(({ standby }) => take(standby));
  return new Map(
    owed.map(({ defaultId, uncovered }, i) => {
      const madeGood = least(overLent + uncovered, uncovered);
      return [defaultId, { uncovered: madeGood, shares: shares[i]!, standby: standbys[i]! }] as const;
    }),
  );
}

/** @returns whether it could be: others may have drawn meanwhile what the platform lends in all */
function pay(book: Book, defaultId: string, part: Bearers): boolean {
  const state = closed(book, defaultId);
  const life = state.repaid.times + 1;
  const transfers = part.shares.map((share) => lossRepaid(state, share, life));
  if (part.standby > 0n) transfers.push(standbyRepaid(state, part.standby, life));
  const posted = book.ledger.post(transfers);
  const isCapped = !posted.ok && state.unit === BTC && posted.error.kind === 'lending_cap';
  assert(posted.ok || isCapped, 'what is there can be paid back');
  if (posted.ok) book.defaults.record(defaultId, { type: 'default_repaid', at: book.now, ...part });
  return posted.ok;
}

/** Another default begins, and with it all that is drawn in its unit is owed anew: what nobody covered before is part of it. */
export function carryOver(book: Book, institutionId: string, into: DefaultIn): void {
  const credit = book.credits.get(institutionId);
  for (const { defaultId, unit } of credit.status === 'none' ? [] : credit.owing) {
    if (unit !== into.unit) continue;
    const { uncovered: amount } = stillOwed(closed(book, defaultId));
    if (amount === 0n) continue;
    const carried = { type: 'uncovered_carried_over', at: book.now, defaultId: into.defaultId, amount } as const;
    book.defaults.record(defaultId, carried);
    if (isOwing(book, defaultId)) continue;
    book.credits.record(institutionId, { type: 'bearers_repaid', at: book.now, institutionId, by: BY, defaultId });
  }
}

/** Whether others stood in for it and haven't been paid back. */
export const isOwing = (book: Book, defaultId: string): boolean => owedTo(stillOwed(closed(book, defaultId))) > 0n;

function closed(book: Book, defaultId: string): KnownDefault {
  const state = book.defaults.get(defaultId);
  assert(state.status === 'closed', `default ${defaultId} is closed`);
  return state;
}

/** Of two amounts; 0 where one is negative. */
function least(a: bigint, b: bigint): bigint {
  const less = a < b ? a : b;
  return less > 0n ? less : 0n;
}
