import { type Instant, type Sats, unwrap } from '@finality/kernel';
import { BTC, creditBalance, pledgeAccount, standbyAccount } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import { type KnownDefault, owedTo, stillOwed } from '../default.ts';
import { checkDefaults, collectDebts, pledge, setTerms } from '../spec/credit.fixture.ts';
import { approved, balance, CLEARING_A, funded, given, givenUnder, submitted } from '../spec/given.fixture.ts';
import { POLICY } from '../spec/memory-book.fixture.ts';
import { closeWindow, openWindow } from '../spec/netting-actions.fixture.ts';
import type { World } from '../spec/world.fixture.ts';
import { unfreezeInstitution } from './institutions.ts';
import { REPAYMENT_EVERY_MS } from './repayments.ts';

type Step = (world: World) => unknown;

const DUE_MS = 60_000;

const line =
  (creditLineSats: bigint): Step =>
  (world) => {
    const request = { institutionId: 'a', creditLineSats, reason: '', by: 'operator', confirmedBy: 'operator-2' };
    return world.tell({ type: 'set_credit_line', request });
  };
const paid = (amountSats: bigint, from: string, to: string): readonly Step[] => [
  submitted('centralized', amountSats, from, to),
  approved,
];
const contributed =
  (institutionId: string, amountSats: bigint): Step =>
  (world) =>
    pledge(world, 'post_pledge', institutionId, amountSats, 'default_fund');
const closed: Step = (world) => closeWindow(world, world.book.netting.get().multilateral!.windowId);
const later =
  (ms: number): Step =>
  (world) =>
    void (world.book.now = (world.book.now + ms) as Instant);
const collected: Step = (world) => collectDebts(world, 0, 0);
const comesIn = (amountSats: bigint): readonly Step[] => [
  funded('a', 'clearing', amountSats),
  later(REPAYMENT_EVERY_MS),
  collected,
];

/** `a` has drawn 10,000; its payees have passed them on. `b` and `c` contributed 1,000 and 2,000, the standby line is 500: 4,000 are lent, 2,500 missing. */
const history: readonly Step[] = [
  ...(['b', 'c'] as const).map((id) => funded(id, 'clearing', 3_000n)),
  contributed('b', 1_000n),
  contributed('c', 2_000n),
  line(10_000n),
  (world) => setTerms(world, 'a', undefined, DUE_MS),
  openWindow,
  ...paid(10_000n, 'a', 'b'),
  closed,
  ...paid(12_000n, 'b', 'd'),
  ...paid(1_000n, 'c', 'd'),
  line(4_000n),
  later(DUE_MS),
  collected,
];
const policy = { ...POLICY, standbyMax: [{ unit: BTC, amount: 500n }] };
const defaulted = (...steps: readonly Step[]): World => givenUnder(policy, ...history).when(...steps).world;

const unfreezing = {
  ...{ institutionId: 'a', reason: 'there is a plan', by: 'operator', confirmedBy: 'operator-2' },
};

const defaultOf = ({ book }: World, at = 0): KnownDefault => {
  const opened = book.log.filter(({ event }) => event.type === 'default_opened' && 'defaultId' in event);
  const ids = opened.map(({ event }) => (event as unknown as { defaultId: string }).defaultId);
  const state = book.defaults.get([...new Set(ids)][at] ?? '');
  if (state.status === 'none') throw new Error('expected a default');
  return state;
};
const owed = (world: World, at = 0): bigint => owedTo(stillOwed(defaultOf(world, at)));
const contributions = ({ book }: World): readonly bigint[] =>
  ['b', 'c'].map((id) => creditBalance(book.ledger.account(pledgeAccount('default_fund', id))));
const standby = ({ book }: World): bigint => creditBalance(book.ledger.account(standbyAccount()));
const repaid = (world: World): readonly string[] =>
  world.book.ledger
    .changes()
    .transfers.filter(({ purpose }) => purpose.endsWith('_repaid'))
    .map(({ purpose, amount }) => `${purpose} ${amount}`);

describe('a defaulter', () => {
  it('owes what others stood in for, and is looked at until they have it back', () => {
    const world = defaulted();
    expect(defaultOf(world)).toMatchObject({
      ...{ owed: 10_000n, lent: 4_000n, standby: 500n, loss: 3_000n, uncovered: 2_500n },
    });
    expect([owed(world), contributions(world), standby(world)]).toEqual([6_000n, [0n, 0n], -500n]);
    expect(world.book.timers.get('a collection')).toBe(world.book.now + REPAYMENT_EVERY_MS);
    expect(balance(world, CLEARING_A)).toEqual({ available: -6_500n });
  });

  it('makes good first what nobody covered, by what comes in being there', () => {
    const world = defaulted(...comesIn(2_000n));
    expect(stillOwed(defaultOf(world))).toMatchObject({ uncovered: 500n, standby: 500n });
    expect(repaid(world)).toEqual([]);
    expect(balance(world, CLEARING_A)).toEqual({ available: -4_500n });
  });

  it('then pays contributions back, in proportion to what each bore, and the standby line last', () => {
    const most = defaulted(...comesIn(2_500n + 1_500n));
    expect([contributions(most), standby(most), owed(most)]).toEqual([[500n, 1_000n], -500n, 2_000n]);
    expect(balance(most, CLEARING_A)).toEqual({ available: -4_000n });
    const all = defaulted(...comesIn(2_500n + 1_500n), ...comesIn(1_700n));
    expect([contributions(all), standby(all), owed(all)]).toEqual([[1_000n, 2_000n], -300n, 300n]);
    expect(repaid(all)).toEqual([
      'default_loss_repaid 500',
      'default_loss_repaid 1000',
      'default_loss_repaid 500',
      'default_loss_repaid 1000',
      'default_standby_repaid 200',
    ]);
    checkDefaults(all.book);
  });

  it('that has paid everybody back keeps what comes in, and isn’t looked at any more', () => {
    const world = defaulted(...comesIn(6_000n + 700n));
    expect([owed(world), contributions(world), standby(world)]).toEqual([0n, [1_000n, 2_000n], 0n]);
    // What its line lends is lent still.
    expect(balance(world, CLEARING_A)).toEqual({ available: -3_300n });
    expect(world.book.timers.has('a collection')).toBe(false);
    expect(world.book.institutions.get('a').status).toBe('frozen');
    expect(defaulted(...comesIn(6_700n), ...comesIn(1n)).book.log.at(-1)?.event.type).not.toBe('default_repaid');
    checkDefaults(world.book);
  });

  it('pays back out of what is its own, where nothing is lent any more', () => {
    const world = defaulted(line(0n), ...comesIn(6_500n));
    expect([owed(world), contributions(world)]).toEqual([3_500n, [0n, 0n]]);
    const more = defaulted(line(0n), ...comesIn(6_500n), ...comesIn(300n));
    expect(contributions(more)).toEqual([100n, 200n]);
    expect(balance(more, CLEARING_A)).toEqual({});
  });

  it('never pays back out of a line that it is granted anew', () => {
    const world = defaulted(...comesIn(2_500n), line(50_000n), later(REPAYMENT_EVERY_MS), collected);
    expect([owed(world), repaid(world)]).toEqual([3_500n, []]);
  });

  it('that others have drawn the lending cap of pays back when there is room again', () => {
    const capped = { ...policy, lentMaxSats: 10_000n as Sats };
    const lends: Step = (world) => {
      const request = { institutionId: 'd', creditLineSats: 6_400n, reason: '', by: 'o', confirmedBy: 'p' };
      return world.tell({ type: 'set_credit_line', request });
    };
    const room = [funded('a', 'clearing', 3_000n), lends, ...paid(19_400n, 'd', 'b')];
    const world = givenUnder(capped, ...history).when(...room, later(REPAYMENT_EVERY_MS), collected).world;
    expect([owed(world), repaid(world)]).toEqual([6_000n, []]);
    const again = givenUnder(capped, ...history).when(
      ...room,
      funded('d', 'clearing', 6_000n),
      later(REPAYMENT_EVERY_MS),
      collected,
    ).world;
    expect(owed(again)).toBe(3_000n);
  });
});

describe('a defaulter that owes', () => {
  const unfreeze =
    (althoughOwing: boolean): Step =>
    (world) =>
      world.tell({ type: 'unfreeze_institution', request: { ...unfreezing, althoughOwing } });

  it('isn’t unfrozen while what comes in belongs to others, however it comes in', () => {
    givenUnder(policy, ...history)
      .when(unfreeze(false))
      .refused('DEFAULT_OWED');
    // All of it has come in, and nobody has looked yet.
    const there = [...history, funded('a', 'clearing', 6_500n)];
    givenUnder(policy, ...there)
      .when(unfreeze(false))
      .refused('DEFAULT_OWED');
    givenUnder(policy, ...there, later(REPAYMENT_EVERY_MS), collected)
      .when(unfreeze(false))
      .then('institution/a institution_unfrozen');
  });

  it('is unfrozen where two persons say so although it owes', () => {
    const world = givenUnder(policy, ...history)
      .when(unfreeze(true))
      .then('institution/a institution_unfrozen');
    expect(world.book.log.at(-1)?.event).toMatchObject({ isOwing: true });
    checkDefaults(world.book);
  });

  it('isn’t unfrozen by anybody while its default is open', () => {
    const open = givenUnder(policy, ...history.slice(0, -1)).when((world: World) =>
      world.tell({ type: 'collect', institutionId: 'a' }),
    ).world;
    const credit = open.book.credits.get('a');
    expect(credit.status !== 'none' && credit.open).toBeTruthy();
    expect(unfreeze(true)(open)).toBe('DEFAULT_OPEN');
  });

  it('breaks what must hold when it is unfrozen all the same', () => {
    const { book } = defaulted();
    checkDefaults(book);
    const by = { reason: '', by: 'operator', confirmedBy: 'operator-2', isOwing: false };
    book.institutions.record('a', { type: 'institution_unfrozen', at: book.now, ...by });
    expect(() => checkDefaults(book)).toThrow(/a owes/);
  });
});

it('a later default takes over what nobody covered', () => {
  const again: readonly Step[] = [
    ({ book }) => unwrap(unfreezeInstitution(book, { ...unfreezing, althoughOwing: true })),
    line(12_000n),
    ...paid(1_000n, 'a', 'd'),
    closed,
    line(4_000n),
    later(DUE_MS),
    collected,
  ];
  const world = defaulted(...again);
  const lent = { owed: 7_500n, lent: 4_000n, takenBack: 1_000n, loss: 0n };
  expect(defaultOf(world, 1)).toMatchObject({ ...lent, uncovered: 2_500n });
  expect(defaultOf(world).repaid).toMatchObject({ carriedOver: 2_500n });
  expect([owed(world), owed(world, 1)]).toEqual([3_500n, 2_500n]);
  checkDefaults(world.book);
  const repaidAll = defaulted(...again, ...comesIn(6_000n));
  expect([owed(repaidAll), owed(repaidAll, 1), contributions(repaidAll)]).toEqual([0n, 0n, [1_000n, 2_000n]]);
  checkDefaults(repaidAll.book);
});

it('nothing is owed where nobody else stood in', () => {
  const { world } = given(...history.slice(4, 10), later(DUE_MS)).when(collected);
  expect([owed(world), world.book.timers.has('a collection')]).toEqual([0n, false]);
});
