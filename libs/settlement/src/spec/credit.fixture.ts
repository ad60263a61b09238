import {
  type AccountId,
  availableAccount,
  BTC,
  clearingClaim,
  pledgeAccount,
  PLEDGES,
  standbyAccount,
  type Unit,
} from '@finality/ledger';
import { expect } from 'vitest';
import { type Credit, type CreditEvent, lineInForce, requiredCollateral, termsIn, termsOf } from '../credit.ts';
import { type DefaultEvent, type KnownDefault, owedTo, stillOwed, sumOf } from '../default.ts';
import { ownSats } from '../process/net-payouts.ts';
import { living } from '../settlement.ts';
import { paidOf } from '../unit-terms.ts';
import type { Debtor } from '../window.ts';
import { funded } from './given.fixture.ts';
import type { MemoryBook } from './memory-book.fixture.ts';
import { bit, pick } from './picks.fixture.ts';
import { byTwo } from './proposals.fixture.ts';
import { INSTITUTIONS } from './parties.fixture.ts';
import { type World } from './world.fixture.ts';

// What institutions put aside, and what their lines rest on.

const AMOUNTS = [1n, 4_000n, 15_000n, 60_000n];
const HAIRCUTS_BPS = [undefined, 0, 1_500, 9_999];
const DUE_AFTER_MS = [0, undefined, 0, 1];

export const setTerms = (
  world: World,
  institutionId: string,
  haircutBps?: number,
  dueAfterMs?: number,
): string | undefined =>
  world.tell({
    type: 'set_credit_terms',
    request: {
      institutionId,
      terms: { ...(haircutBps !== undefined && { haircutBps }), ...(dueAfterMs !== undefined && { dueAfterMs }) },
      reason: 'agreed',
      by: 'operator',
      confirmedBy: 'operator-2',
    },
  });

export function pledge(
  world: World,
  type: 'post_pledge' | 'release_pledge',
  institutionId: string,
  amountSats: bigint,
  kind: (typeof PLEDGES)[number] = 'collateral',
): string | undefined {
  const pledgeId = `p-${world.told.length}`;
  const request = { pledgeId, institutionId, pledge: kind, unit: BTC, amount: amountSats, by: 'k' };
  return world.tell({ type, request: type === 'release_pledge' ? { ...request, confirmedBy: 'k-2' } : request });
}

/** Somebody pledges or takes back: some amount, or all there is to the satoshi, or one more; or terms are set anew. */
export function anyPledge(world: World, a: number, b: number): void {
  const { book } = world;
  const institutionId = pick(INSTITUTIONS, a)!;
  // Mostly due at once: a history's clock stands still.
  if (bit(b, 11)) return void setTerms(world, institutionId, pick(HAIRCUTS_BPS, b >> 2), pick(DUE_AFTER_MS, b >> 4));
  const kind = pick(PLEDGES, b)!;
  const type = bit(b, 9) ? 'post_pledge' : 'release_pledge';
  const amounts = bit(b, 8) ? AMOUNTS : [ownSats(book, institutionId), ownSats(book, institutionId) + 1n];
  const amountSats = pick(amounts, b >> 2)!;
  if (amountSats > 0n) pledge(world, type, institutionId, amountSats, kind);
}

/** Before what is due is collected, lines are withdrawn, and what was paid has been paid on. */
export function anyCollection(world: World, a: number, b: number): void {
  for (const [i, institutionId] of INSTITUTIONS.entries()) {
    const credit = world.book.credits.get(institutionId);
    if (credit.status === 'none' || credit.obligations.length === 0 || bit(b, 4 + i)) continue;
    const withdrawn = { institutionId, creditLineSats: 0n, reason: 'withdrawn', by: 'operator' };
    world.tell({ type: 'set_credit_line', request: withdrawn });
  }
  for (const from of bit(b, 2) || bit(b, 3) ? ['a', 'b', 'c'] : []) {
    const amountSats = ownSats(world.book, from);
    if (amountSats <= 0n) continue;
    const id = world.submit('centralized', from, 'd', amountSats);
    if (world.book.settlements.get(id).status === 'none') continue;
    for (const by of ['risk', 'aml'] as const) world.screen('settlement', id, by, 'approve');
  }
  collectDebts(world, a, b);
  anyUnfreezing(world, a, b);
}

/** Whoever is frozen, for whatever reason: mostly as long as it owes nothing. */
function anyUnfreezing(world: World, a: number, b: number): void {
  const frozen = INSTITUTIONS.filter((id) => world.book.institutions.get(id).status === 'frozen');
  const institutionId = pick(frozen, a);
  if (institutionId === undefined || bit(b, 12)) return;
  const request = { institutionId, reason: 'looked at', by: 'operator', althoughOwing: bit(b, 13) && bit(b, 14) };
  byTwo(world, { type: 'unfreeze_institution', request });
}

/** The timers of those whose debts are due go off: of one, or of all as often as it takes. */
export function collectDebts(world: World, a: number, b: number): void {
  const ids = bit(b, 0) ? [pick(INSTITUTIONS, a)!] : INSTITUTIONS;
  for (const institutionId of ids) {
    const credit = world.book.credits.get(institutionId);
    if (credit.status !== 'none' && credit.owing.length > 0) world.tell({ type: 'collect', institutionId });
  }
  for (let steps = 0; steps < COLLECTED_STEPS_MAX; steps++) {
    const due = ids.filter((id) => (world.book.timers.get(`${id} collection`) ?? Infinity) <= world.book.now);
    for (const institutionId of due) world.tell({ type: 'collect', institutionId });
    if (bit(b, 1) || due.length === 0) return;
  }
  throw new Error('what is collected comes to an end');
}

const COLLECTED_STEPS_MAX = 50;

/** Money comes in for those who owe something to others: too little, and as much as there may be. */
export function comeIn(world: World, amountSats: bigint): void {
  for (const institutionId of INSTITUTIONS) {
    const credit = world.book.credits.get(institutionId);
    if (credit.status === 'none' || credit.owing.length === 0) continue;
    funded(institutionId, 'clearing', amountSats)(world);
    world.tell({ type: 'collect', institutionId });
  }
}

/** Who owes something for a window, and in which unit, by the log alone. */
export function debtorsOf({ log }: MemoryBook, windowId: string): readonly string[] {
  const debtors = new Set<string>();
  for (const { event } of log) {
    if (!CREDIT_EVENTS.has(event.type)) continue;
    const credit = event as CreditEvent;
    const { institutionId } = credit;
    if (credit.type === 'obligation_opened' && credit.obligation.windowId === windowId)
      debtors.add(debtorKey({ institutionId, unit: credit.obligation.unit }));
    else if (credit.type === 'obligation_met' || credit.type === 'obligation_overdue') {
      if (credit.windowId === windowId) debtors.delete(debtorKey(credit));
    } else if (credit.type === 'default_opened') debtors.delete(debtorKey(credit));
  }
  return [...debtors].sort();
}

export const debtorKey = ({ institutionId, unit }: Debtor): string => `${institutionId} ${unit}`;

const CREDIT_EVENTS = new Set(['obligation_opened', 'obligation_met', 'obligation_overdue', 'default_opened']);

/** What defaults have moved, by their events: to what is owed in their unit, from whoever stands for it there. */
export function addDefaults(book: MemoryBook, add: (account: AccountId, amount: bigint) => void): void {
  for (const state of book.defaults.all()) {
    if (state.status === 'none') continue;
    const { institutionId, unit, collateral, contribution, standby, shares, repaid } = state;
    const fundOf = (id: string): AccountId => pledgeAccount('default_fund', id, unit);
    const moved = [
      [pledgeAccount('collateral', institutionId, unit), collateral],
      [fundOf(institutionId), contribution],
      [standbyAccount(unit), standby],
      ...shares.map((share) => [fundOf(share.institutionId), share.amount] as const),
      [standbyAccount(unit), -repaid.standby],
      ...repaid.shares.map((share) => [fundOf(share.institutionId), -share.amount] as const),
    ] as const;
    for (const [account, amount] of moved) {
      add(account, -amount);
      add(availableAccount(clearingClaim(institutionId, unit)), amount);
    }
  }
}

/** Nobody bears anything but by the rule: what covers a default adds up to it, in the order of the waterfall, and whoever owes is frozen when it is declared. */
export function checkDefaults(book: MemoryBook): void {
  const debts = book.log.flatMap(({ event }) => (event.type === 'obligation_opened' ? [event as CreditEvent] : []));
  for (const state of book.defaults.all()) {
    if (state.status === 'none') continue;
    const { defaultId, institutionId, unit, owed, overdue, left, uncovered } = state;
    const { collateral, contribution, lent, standby, paid, takenBack, loss } = state;
    const own = collateral + contribution + lent;
    const others = standby + paid + takenBack + loss;
    expect(own + others + uncovered + left, defaultId).toBe(owed);
    expect(overdue, defaultId).toBeGreaterThan(0n);
    expect(overdue, defaultId).toBeLessThanOrEqual(owed);
    expect(sumOf(state.unwound), defaultId).toBe(takenBack);
    expect(sumOf(state.shares), defaultId).toBe(loss);
    for (const { settlementId, reversalId, payeeId, amount } of state.unwound) {
      const original = living(book.settlements.get(settlementId));
      expect(original.terms).toMatchObject({ from: institutionId, to: payeeId, mode: 'centralized' });
      expect(paidOf(original.terms).unit, reversalId).toBe(unit);
      const reversal = living(book.settlements.get(reversalId));
      expect(reversal).toMatchObject({ status: 'settled', terms: { reverses: settlementId } });
      expect(paidOf(reversal.terms), reversalId).toEqual({ unit, amount });
    }
    checkDeclared(debts, state);
    checkOrder(book, state);
    checkRepaid(book, state);
  }
  for (const id of book.credits.ids()) checkFrozen(book, id);
}

/** By its time in BTC, by two persons in any other unit, whose grace is over by then. */
function checkDeclared(debts: readonly CreditEvent[], state: KnownDefault): void {
  const { defaultId, institutionId, windowId, unit, by, confirmedBy, declaredAt } = state;
  const isByTwo = by !== undefined && confirmedBy !== undefined && by !== confirmedBy;
  expect(isByTwo, `${defaultId} in ${unit} is declared by two`).toBe(unit !== BTC);
  const from = debts.flatMap((event) => {
    if (event.type !== 'obligation_opened' || event.institutionId !== institutionId) return [];
    const { obligation } = event;
    const isIts = obligation.windowId === windowId && obligation.unit === unit;
    return isIts ? [obligation.graceUntil ?? obligation.dueAt] : [];
  });
  expect(from, defaultId).toHaveLength(1);
  expect(declaredAt, `${defaultId} is declared before its grace is over`).toBeGreaterThanOrEqual(from[0]!);
}

/** What comes in belongs to those who stood in: nothing leaves meanwhile, unless two persons have said so. */
function checkFrozen(book: MemoryBook, institutionId: string): void {
  const credit = book.credits.get(institutionId);
  if (credit.status === 'none' || (credit.open === undefined && credit.owing.length === 0)) return;
  if (book.institutions.get(institutionId).status === 'frozen') return;
  const decided = book.log.findLast(
    ({ stream, event }) => stream === `institution/${institutionId}` && event.type === 'institution_unfrozen',
  );
  expect(decided?.event, `${institutionId} owes`).toMatchObject({ isOwing: true });
}

/** Whoever stood in gets back what it did and no more, in the reverse order: the standby line nothing while a contribution is owed to. */
function checkRepaid(book: MemoryBook, state: KnownDefault): void {
  const { defaultId, institutionId, status, repaid, shares, standby, uncovered } = state;
  const left = stillOwed(state);
  const credit = book.credits.get(institutionId);
  expect(isOwedBy(credit, defaultId), defaultId).toBe(status === 'closed' && owedTo(left) > 0n);
  if (status === 'open') return;
  expect(left.uncovered + repaid.uncovered + repaid.carriedOver, defaultId).toBe(uncovered);
  expect(sumOf(left.shares) + sumOf(repaid.shares), defaultId).toBe(sumOf(shares));
  expect(left.standby + repaid.standby, defaultId).toBe(standby);
  expect(left.standby >= 0n && left.uncovered >= 0n, defaultId).toBe(true);
  if (sumOf(left.shares) > 0n) expect(repaid.standby, defaultId).toBe(0n);
  if (left.uncovered > 0n) expect(sumOf(repaid.shares), defaultId).toBe(0n);
}

const isOwedBy = (credit: Credit, id: string): boolean =>
  credit.status !== 'none' && credit.owing.some(({ defaultId }) => defaultId === id);

const ORDER = ['collateral', 'contribution', 'debt_lent', 'standby', 'unwound', 'loss'];

function checkOrder({ log }: MemoryBook, { defaultId, status }: KnownDefault): void {
  const events = log
    .filter(({ stream }) => stream === `default/${defaultId}`)
    .map(({ event }) => event as DefaultEvent);
  const steps = events.flatMap((event) => {
    if (event.type === 'default_covered') return [event.source];
    if (event.type === 'debt_lent') return [event.type];
    if (event.type === 'settlement_unwound') return ['unwound'];
    return event.type === 'loss_allocated' ? ['loss'] : [];
  });
  const places = steps.map((step) => ORDER.indexOf(step));
  expect(places, defaultId).toEqual(places.toSorted((x, y) => x - y));
  expect(
    events.some(({ type }) => type === 'default_closed'),
    defaultId,
  ).toBe(status === 'closed');
}

/** By the log alone: what was pledged is there, and what is available is less by it. */
export function addPledges({ log }: MemoryBook, add: (account: AccountId, amount: bigint) => void): void {
  for (const { event } of log) {
    if (event.type !== 'pledge_posted' && event.type !== 'pledge_released' && event.type !== 'collateral_taken')
      continue;
    const moved = event as Extract<CreditEvent, { type: 'pledge_posted' | 'pledge_released' | 'collateral_taken' }>;
    const amount = moved.type === 'pledge_posted' ? moved.amount : -moved.amount;
    const pledge = moved.type === 'collateral_taken' ? 'collateral' : moved.pledge;
    add(pledgeAccount(pledge, moved.institutionId, moved.unit), amount);
    add(availableAccount(clearingClaim(moved.institutionId, moved.unit)), -amount);
  }
}

/** What an institution may owe now, by its events and by what it has pledged. */
export function lineOf(book: MemoryBook, institutionId: string, granted: bigint, unit: Unit = BTC): bigint {
  const terms = termsIn(termsOf(book.credits.get(institutionId)), unit);
  return lineInForce(granted, terms, pledgedOf(book, institutionId, unit));
}

export function pledgedOf({ ledger }: MemoryBook, institutionId: string, unit: Unit = BTC): bigint {
  const { creditsPosted, debitsPosted } = ledger.account(pledgeAccount('collateral', institutionId, unit));
  return creditsPosted - debitsPosted;
}

/** After a release: what is drawn is still covered by the rule. */
export function expectCovered(book: MemoryBook, institutionId: string): void {
  const { available } = book.ledger.balanceOf({ kind: 'clearing', institutionId });
  const terms = termsOf(book.credits.get(institutionId));
  expect(pledgedOf(book, institutionId)).toBeGreaterThanOrEqual(
    requiredCollateral(available < 0n ? -available : 0n, terms),
  );
}

/** Two persons have looked at why it was frozen, and answer for it. */
export const wasUnfrozen = ({ log }: MemoryBook, institutionId: string): boolean =>
  log.some(({ stream, event }) => stream === `institution/${institutionId}` && event.type === 'institution_unfrozen');
