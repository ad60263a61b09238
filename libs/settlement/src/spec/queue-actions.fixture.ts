import { assert, type Instant } from '@finality/kernel';
import { BTC, claimPath, clearingClaim, type Unit } from '@finality/ledger';
import { expect } from 'vitest';
import { type QueuedPayment, resolveGridlock } from '../gridlock.ts';
import { isInLine, lineIn, lineOf, PRIORITIES, type Priority, rankOf } from '../queue.ts';
import { living, type SettlementEvent, type Terms } from '../settlement.ts';
import { paidOf } from '../unit-terms.ts';
import type { MemoryBook } from './memory-book.fixture.ts';
import { anyPledge } from './credit.fixture.ts';
import { bit, pick } from './picks.fixture.ts';
import { INSTITUTIONS } from './parties.fixture.ts';
import { byTwo } from './proposals.fixture.ts';
import { type World } from './world.fixture.ts';

// What makes lines of settlements that wait for liquidity, and ends them.

const OWED = [1_000n, 20_000n, 45_000n, 80_000n, 150_000n];

/** Three institutions owe each other more than they have. */
export function owe(world: World, a: number, b: number, c: number): void {
  const from = INSTITUTIONS[a % 3]!;
  const to = INSTITUTIONS[(a + 1 + (b % 2)) % 3]!;
  const priority = pick(PRIORITIES, bit(b, 1) ? 2 : b >> 2)!;
  const id = world.submit('centralized', from, to, pick(OWED, c)!, { priority });
  // It may be refused: past a limit, or a party is frozen.
  const isIn = world.book.settlements.get(id).status !== 'none';
  if (isIn && bit(b, 8)) for (const by of ['risk', 'aml'] as const) world.screen('settlement', id, by, 'approve');
}

/** Mostly of what is queued. */
export function reprioritize(world: World, a: number, b: number): void {
  const ids = world.book.settlements.ids();
  const queued = ids.filter((id) => world.book.settlements.get(id).status === 'queued');
  const settlementId = pick(bit(b, 0) && bit(b, 1) ? ids : queued, a);
  if (settlementId !== undefined) world.reprioritize(settlementId, pick(PRIORITIES, b >> 2)!);
}

/** What is queued is settled together where that can be; or what somebody had found is no such set any more. */
export function offset(world: World, a: number, b: number): void {
  const found = bit(b, 0) || bit(b, 1) ? resolvable(world) : queuedOf(world).filter((_, i) => bit(b, 2 + (i % 12)));
  if (found.length > 0) world.offset(bit(a, 0) ? found : found.toReversed());
}

const queuedOf = ({ book }: World): string[] =>
  book.settlements.ids().filter((id) => isInLine(book.settlements.get(id)));

/** As a worker would find it. */
export const resolvable = ({ book }: World): string[] => resolvableIn(book, INSTITUTIONS, BTC);

/** What these can settle together of what they owe in the unit. */
export function resolvableIn(book: MemoryBook, institutionIds: readonly string[], unit: Unit): string[] {
  const lines = institutionIds.map((id) => offsettable(book, lineIn(id, unit)));
  const headroom = institutionIds.map(
    (id) => [lineIn(id, unit), book.ledger.spendable(clearingClaim(id, unit))] as const,
  );
  const set = resolveGridlock(
    lines.filter(({ length }) => length > 0),
    new Map(headroom),
  );
  return set.map(({ settlementId }) => settlementId);
}

/** A line up to its first exchange. */
function offsettable({ queues, settlements }: MemoryBook, line: string): readonly QueuedPayment[] {
  const all = queues.of(line).map((id) => living(settlements.get(id)).terms);
  const end = all.findIndex(({ units }) => units?.exchange !== undefined);
  return all.slice(0, end === -1 ? all.length : end).map((terms) => {
    assert(terms.payee.kind === 'clearing', 'whoever is paid CENTRALIZED is paid on a clearing balance');
    return { settlementId: terms.settlementId, from: line, to: claimPath(terms.payee), amount: paidOf(terms).amount };
  });
}

/** What an institution may owe is set anew, or what that rests on; or it wants to be told how it stands, or somebody looks. */
export function creditLine(world: World, a: number, b: number): void {
  if (bit(b, 10)) return anyPledge(world, a, b);
  const institutionId = pick(INSTITUTIONS, a)!;
  if (bit(b, 8) && bit(b, 9)) return void world.tell({ type: 'observe_liquidity', institutionId, unit: BTC });
  if (bit(b, 8)) {
    const alerts = { warnBelow: pick([60_000n, 30_000n], b >> 2)!, criticalBelow: 10_000n };
    const wanted = bit(b, 5) ? { alerts } : {};
    return void world.tell({
      type: 'set_liquidity_alerts',
      request: { institutionId, unit: BTC, ...wanted, by: 'operator' },
    });
  }
  const creditLineSats = pick([0n, 5_000n, 30_000n, 100_000n], b >> 2)!;
  // A history's clock stands still: the end never comes.
  const expiresAt = bit(b, 4) ? { expiresAt: (world.book.now + 1) as Instant } : {};
  const request = { institutionId, creditLineSats, ...expiresAt, reason: 'reviewed', by: 'operator' };
  byTwo(world, { type: 'set_credit_line', request }, bit(b, 6) ? 'operator-2' : 'operator-3');
}

interface Waiting {
  readonly terms: Terms;
  readonly rank: number;
  /** Its place in the log; what has just been approved is the last. */
  readonly since: number;
}

/** By the log alone: nothing CENTRALIZED is settled while one of its payer waits in the same unit that came earlier and is as urgent, or that is more urgent. */
export function checkLines({ book }: { readonly book: Pick<MemoryBook, 'log'> }): void {
  const terms = new Map<string, Terms>();
  const lines = new Map<string, Waiting>();
  for (const [place, { stream, event: logged }] of book.log.entries()) {
    if (!stream.startsWith('settlement/')) continue;
    const id = stream.slice('settlement/'.length);
    const event = logged as SettlementEvent;
    if (event.type === 'settlement_received') terms.set(id, event.terms);
    const agreed = terms.get(id)!;
    // What is taken back because of a default waits behind nobody.
    if (agreed.mode !== 'centralized' || agreed.submittedBy === 'default') continue;
    const before = lines.get(id);
    lines.delete(id);
    const join = (priority: Priority): void =>
      void lines.set(id, { terms: agreed, rank: rankOf(priority), since: place });
    if (event.type === 'liquidity_awaited') join(agreed.priority ?? 'normal');
    else if (event.type === 'priority_changed') join(event.priority);
    if (event.type !== 'liquidity_reserved') continue;
    const own = before ?? { rank: rankOf(agreed.priority ?? 'normal'), since: place };
    for (const [other, waiting] of lines) {
      if (lineOf(waiting.terms) !== lineOf(agreed) || isOver(waiting.terms, event.at)) continue;
      const isAhead = waiting.rank < own.rank || (waiting.rank === own.rank && waiting.since < own.since);
      expect(isAhead, `${id} overtakes ${other}`).toBe(false);
    }
  }
}

/** Its quote has run out: nobody waits behind it any more. */
const isOver = ({ units, expiresAt }: Terms, at: Instant): boolean =>
  units?.exchange !== undefined && expiresAt !== undefined && expiresAt <= at;
