import type { Instant } from '@finality/kernel';
import {
  BTC,
  clearingClaim,
  creditBalance,
  type Pledge,
  pledgeAccount,
  standbyAccount,
  type Unit,
} from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import { bankBookingId } from '../bank-booking.ts';
import { type KnownDefault, owedTo, stillOwed } from '../default.ts';
import { paidOf } from '../unit-terms.ts';
import { checkDefaults, collectDebts } from '../spec/credit.fixture.ts';
import { EUR, USD } from '../spec/exchange.fixture.ts';
import { given, givenUnder, lastOf, settlementOf } from '../spec/given.fixture.ts';
import { POLICY } from '../spec/memory-book.fixture.ts';
import { closeWindow, openWindow } from '../spec/netting-actions.fixture.ts';
import { byTwo } from '../spec/proposals.fixture.ts';
import type { World } from '../spec/world.fixture.ts';
import { REPAYMENT_EVERY_MS } from './repayments.ts';

type Step = (world: World) => unknown;

const DUE_MS = 60_000;
const GRACE_MS = 3_600_000;
const BOTH = { by: 'operator', confirmedBy: 'operator-2', reason: 'agreed' };

/** So that nobody has to look at what is paid in dollars. */
const valued: Step = (world) => {
  const validUntil = (world.book.now + 24 * GRACE_MS) as Instant;
  const price = { numerator: 15n, denominator: 1n };
  const rate = { makerId: 'platform', counter: BTC, price, validUntil, quoteMs: 60_000, isOwn: false } as const;
  for (const base of [USD, EUR])
    world.tell({
      type: 'publish_rate',
      proposal: { ...rate, base, publishedBy: 'operator', confirmedBy: 'operator-2' },
    });
};
const paidIn =
  (institutionId: string, amount: bigint, unit: Unit = USD): Step =>
  (world) => {
    const statementLine = `line ${world.told.length}`;
    const line = { direction: 'in', institutionId, money: { unit, amount }, statementLine, reason: '' } as const;
    world.tell({ type: 'propose_bank_booking', proposal: { ...line, proposedBy: 'operator' } });
    const decision = { bookingId: bankBookingId(unit, statementLine), by: 'operator-2', reason: '' };
    return world.tell({ type: 'confirm_bank_booking', decision });
  };
const line =
  (amount: bigint, unit: Unit = USD, expiresInMs?: number): Step =>
  (world) => {
    const what = unit === BTC ? { creditLineSats: amount } : { creditLineSats: 0n, limit: { unit, amount } };
    const ends = expiresInMs === undefined ? {} : { expiresAt: (world.book.now + expiresInMs) as Instant };
    return world.tell({ type: 'set_credit_line', request: { institutionId: 'a', ...what, ...ends, ...BOTH } });
  };
const terms =
  (haircutBps?: number, graceMs = GRACE_MS): Step =>
  (world) => {
    const own = { dueAfterMs: DUE_MS, graceMs, ...(haircutBps !== undefined && { haircutBps }) };
    const units = [USD, EUR].map((unit) => ({ unit, ...own }));
    const request = { institutionId: 'a', terms: { dueAfterMs: 10 * GRACE_MS, units }, ...BOTH };
    return world.tell({ type: 'set_credit_terms', request });
  };
const pledged =
  (institutionId: string, amount: bigint, pledge: Pledge, unit: Unit = USD, type: 'post' | 'release' = 'post'): Step =>
  (world) => {
    const move = { pledgeId: `p-${world.told.length}`, institutionId, pledge, unit, amount };
    if (type === 'post') return world.tell({ type: 'post_pledge', request: { ...move, by: 'k' } });
    return world.tell({ type: 'release_pledge', request: { ...move, ...BOTH } });
  };
const paid =
  (amount: bigint, from = 'a', to = 'b', unit: Unit = USD): Step =>
  (world) => {
    const [sats, what] = unit === BTC ? [amount, {}] : [0n, { paid: { unit, amount } }];
    const id = world.submit('centralized', from, to, sats, what);
    for (const by of ['risk', 'aml'] as const) world.screen('settlement', id, by, 'approve');
  };
const closed: Step = (world) => closeWindow(world, world.book.netting.get().multilateral!.windowId);
const later =
  (ms: number): Step =>
  (world) =>
    void (world.book.now = (world.book.now + ms) as Instant);
const collected: Step = (world) => collectDebts(world, 0, 0);
const declared =
  (unit: Unit = USD, institutionId = 'a'): Step =>
  (world) =>
    byTwo(world, { type: 'declare_default', request: { institutionId, unit, reason: 'asked them', by: 'operator' } });
const comesIn = (amount: bigint, unit: Unit = USD): readonly Step[] => [
  paidIn('a', amount, unit),
  later(REPAYMENT_EVERY_MS),
  collected,
];

/** `a` owes 1,000 dollars and 300 euros at the close, and 500 satoshi that are due much later. */
const owing: readonly Step[] = [
  valued,
  line(1_000n),
  line(500n, BTC),
  line(300n, EUR),
  terms(),
  openWindow,
  paid(1_000n),
  paid(500n, 'a', 'b', BTC),
  paid(300n, 'a', 'b', EUR),
  closed,
];
const late: readonly Step[] = [later(DUE_MS), collected];
const hopeless: readonly Step[] = [...late, later(GRACE_MS)];
const defaulted: readonly Step[] = [...hopeless, declared(), collected];

function onlyDefault({ book }: World): KnownDefault {
  const [state, ...more] = book.defaults.all();
  if (state?.status === undefined || state.status === 'none' || more.length > 0)
    throw new Error('expected one default');
  return state;
}

/** All that isn't dollars, to the smallest part. */
const elsewhere = ({ book }: World): readonly unknown[] => book.ledger.accounts().filter(({ unit }) => unit !== USD);
const has = ({ book }: World, id: string, unit: Unit = USD): bigint =>
  book.ledger.balanceOf(clearingClaim(id, unit)).available;
const pledgeOf = ({ book }: World, kind: Pledge, id: string, unit: Unit = USD): bigint =>
  creditBalance(book.ledger.account(pledgeAccount(kind, id, unit)));
const standbyOf = ({ book }: World): bigint => creditBalance(book.ledger.account(standbyAccount(USD)));

const NONE = {
  ...{ collateral: 0n, contribution: 0n, lent: 0n, standby: 0n, paid: 0n },
  ...{ takenBack: 0n, loss: 0n, uncovered: 0n, left: 0n },
};

describe('a debt in another unit than BTC', () => {
  it('is no default by its time alone', () => {
    const { world } = given(...owing, ...hopeless).when(later(5 * GRACE_MS), collected);
    expect(world.book.defaults.all()).toEqual([]);
    expect(world.book.institutions.get('a').status).toBe('frozen');
  });

  it('is declared one by two operators, once its time and its grace are over, and not before', () => {
    given(...owing, later(DUE_MS - 1))
      .when(declared())
      .refused('NOTHING_OVERDUE');
    given(...owing, later(DUE_MS))
      .when(declared())
      .refused('GRACE_NOT_OVER');
    given(...owing, ...late, later(GRACE_MS - 1))
      .when(declared())
      .refused('GRACE_NOT_OVER');
    const { world } = given(...owing, ...hopeless).when(declared());
    expect(onlyDefault(world)).toMatchObject({
      ...{ unit: USD, owed: 1_000n, overdue: 1_000n, by: 'operator', confirmedBy: 'operator-2' },
    });
  });

  it('isn’t declared by one, of nobody, in BTC, where nothing is owed, or twice', () => {
    const request = { institutionId: 'a', unit: USD, reason: 'alone', by: 'operator' };
    given(...owing, ...hopeless)
      .when({ type: 'declare_default', request })
      .refused('SECOND_PERSON_REQUIRED');
    for (const [unit, id, reason] of [
      [USD, 'nobody', 'UNKNOWN_INSTITUTION'],
      [BTC, 'a', 'INVALID_ARGUMENT'],
      [USD, 'b', 'NOTHING_OVERDUE'],
    ] as const)
      given(...owing, ...hopeless)
        .when(declared(unit, id))
        .refused(reason);
    given(...owing, ...hopeless, declared())
      .when(declared(EUR))
      .refused('DEFAULT_OPEN');
    given(...owing, ...defaulted)
      .when(declared())
      .refused('NOTHING_OVERDUE');
  });

  it('that has been paid meanwhile isn’t any more, and is looked at until it is', () => {
    given(...owing, ...hopeless, paidIn('a', 1_000n))
      .when(declared())
      .refused('NOTHING_OVERDUE');
    const { world } = given(...owing, ...late, paidIn('a', 1_000n), paidIn('a', 300n, EUR)).when(
      later(REPAYMENT_EVERY_MS),
      collected,
    );
    const credit = world.book.credits.get('a');
    expect(credit.status !== 'none' && credit.overdue).toEqual([]);
  });

  it('is agreed on before it is paid, and confirmed after: nothing happens', () => {
    const change = {
      type: 'declare_default',
      request: { institutionId: 'a', unit: USD, reason: 'asked them', by: 'operator' },
    } as const;
    const proposed: Step = (world) =>
      world.tell({ type: 'propose_change', proposal: { change, by: 'operator', reason: 'asked them' } });
    const confirmed: Step = (world) => {
      const [state] = world.book.proposals.all();
      if (state?.status !== 'proposed') throw new Error('expected a proposal');
      const decision = { proposalId: state.proposalId, by: 'operator-2', reason: 'seen' };
      return world.tell({ type: 'confirm_proposal', decision });
    };
    given(...owing, ...hopeless, proposed, paidIn('a', 1_000n))
      .when(confirmed)
      .refused('NOTHING_OVERDUE');
  });
});

describe('a default in another unit than BTC', () => {
  it('is closed out in that unit alone: whatever is owed, put aside or contributed in others stays', () => {
    const history = [
      ...[paidIn('a', 50n, EUR), pledged('a', 50n, 'default_fund', EUR)],
      ...[paidIn('c', 50n, EUR), pledged('c', 50n, 'default_fund', EUR)],
      ...owing,
    ];
    const before = given(...history, ...hopeless).when().world;
    const { world } = given(...history, ...defaulted).when();
    expect(onlyDefault(world)).toMatchObject({ ...NONE, status: 'closed', unit: USD, owed: 1_000n, lent: 1_000n });
    expect(elsewhere(world)).toEqual(elsewhere(before));
    expect([has(world, 'a', BTC), has(world, 'a', EUR)]).toEqual([-500n, -300n]);
    const institution = world.book.institutions.get('a');
    expect(institution).toMatchObject({ status: 'frozen', creditLineSats: 500n });
    expect(institution.status !== 'none' && institution.unitLines).toHaveLength(2);
  });

  it('takes collateral of the unit first, then the contribution in it; an unsecured line lends the rest', () => {
    const history = [paidIn('a', 700n), pledged('a', 300n, 'default_fund'), pledged('a', 400n, 'collateral'), ...owing];
    const { world } = given(...history, ...defaulted).when();
    // What there was of the collateral has paid when it was due.
    expect(onlyDefault(world)).toMatchObject({ ...NONE, owed: 600n, contribution: 300n, lent: 300n });
    expect(has(world, 'a')).toBe(-300n);
    // Declared before its timer has come to it.
    const put = given(...history.with(7, terms(undefined, 0)), later(DUE_MS), declared(), collected).when().world;
    expect(onlyDefault(put)).toMatchObject({ ...NONE, owed: 1_000n, collateral: 400n, contribution: 300n, lent: 300n });
  });

  it('of a line that is gone, has ended or is secured takes the standby line of the unit, and no other', () => {
    const policy = {
      ...POLICY,
      standbyMax: [
        { unit: BTC, amount: 9_999n },
        { unit: USD, amount: 600n },
      ],
    };
    for (const gone of [line(0n), line(1_000n, USD, GRACE_MS), terms(0)]) {
      const { world } = givenUnder(policy, ...owing, gone, ...defaulted).when();
      expect(onlyDefault(world)).toMatchObject({ ...NONE, standby: 600n, takenBack: 400n });
      expect(standbyOf(world)).toBe(-600n);
      expect(creditBalance(world.book.ledger.account(standbyAccount()))).toBe(0n);
      expect(has(world, 'b')).toBe(600n);
    }
  });

  it('takes back what it paid in the unit since, newest first, and nothing that it paid in another', () => {
    const history = [...owing.slice(0, 6), paid(600n), paid(200n, 'a', 'b', EUR), paid(400n, 'a', 'c'), closed];
    const { world } = given(...history, line(0n), ...defaulted).when();
    const { unwound } = onlyDefault(world);
    expect(unwound).toMatchObject([
      { payeeId: 'c', amount: 400n },
      { payeeId: 'b', amount: 600n },
    ]);
    const reversal = settlementOf(world, unwound[1]!.reversalId);
    expect(reversal.terms).toMatchObject({ from: 'b', to: 'a', amountSats: 0n });
    expect(paidOf(reversal.terms)).toEqual({ unit: USD, amount: 600n });
    // Worth what it was.
    expect(reversal.terms.units?.valueSats).toBe(settlementOf(world, 's-1').terms.units?.valueSats);
    expect([has(world, 'a'), has(world, 'b'), has(world, 'b', EUR)]).toEqual([0n, 0n, 200n]);
  });

  it('fails what waits in the unit, and leaves what waits in another', () => {
    const waiting = [paid(1n), paid(1n, 'a', 'b', EUR)];
    const { world } = given(...owing, ...waiting, line(0n), ...defaulted).when();
    expect(onlyDefault(world)).toMatchObject({ failedCount: 1 });
    expect([settlementOf(world, 's-4').status, settlementOf(world, lastOf(world)).status]).not.toContain('settled');
    expect(settlementOf(world, 's-4').status).toBe('failed');
    expect(settlementOf(world, 's-5').status).toBe('queued');
  });

  it('is borne by others’ contributions in the unit, in proportion, and what is beyond by nobody', () => {
    const contributed = [
      ...[paidIn('c', 300n), pledged('c', 200n, 'default_fund'), paidIn('d', 100n), pledged('d', 100n, 'default_fund')],
      ...[paidIn('c', 900n, EUR), pledged('c', 900n, 'default_fund', EUR)],
    ];
    const gone = paid(850n, 'b', 'd');
    const { world } = given(...contributed, ...owing, gone, line(610n), ...defaulted).when();
    expect(onlyDefault(world)).toMatchObject({ ...NONE, lent: 610n, takenBack: 150n, loss: 240n });
    expect(onlyDefault(world).shares).toEqual([
      { institutionId: 'c', amount: 160n },
      { institutionId: 'd', amount: 80n },
    ]);
    const worse = given(...contributed, ...owing, gone, line(0n), ...defaulted).when().world;
    expect(onlyDefault(worse)).toMatchObject({ ...NONE, takenBack: 150n, loss: 300n, uncovered: 550n });
    expect([pledgeOf(worse, 'default_fund', 'c'), pledgeOf(worse, 'default_fund', 'c', EUR)]).toEqual([0n, 900n]);
  });
});

describe('what comes in on a defaulter’s balance in the unit', () => {
  const policy = { ...POLICY, standbyMax: [{ unit: USD, amount: 100n }] };
  /** 100 are lent, 100 are the platform's, 300 others' (200 and 100), and 500 nobody's. */
  const history = [
    ...[paidIn('c', 200n), pledged('c', 200n, 'default_fund'), paidIn('d', 100n), pledged('d', 100n, 'default_fund')],
    ...[...owing, paid(1_000n, 'b', 'd'), line(100n), ...defaulted],
  ];
  const owed = (world: World): bigint => owedTo(stillOwed(onlyDefault(world)));
  const contributions = (world: World): readonly bigint[] =>
    ['c', 'd'].map((id) => pledgeOf(world, 'default_fund', id));

  it('pays back those who stood in for it, in the reverse order', () => {
    const { world } = givenUnder(policy, ...history).when();
    expect(onlyDefault(world)).toMatchObject({ lent: 100n, standby: 100n, loss: 300n, uncovered: 500n });
    const some = givenUnder(policy, ...history).when(...comesIn(500n), ...comesIn(150n)).world;
    expect([owed(some), contributions(some), standbyOf(some)]).toEqual([250n, [100n, 50n], -100n]);
    const all = givenUnder(policy, ...history).when(...comesIn(650n), ...comesIn(250n + 7n)).world;
    expect([owed(all), contributions(all), standbyOf(all), has(all, 'a')]).toEqual([0n, [200n, 100n], 0n, -93n]);
  });

  it('is none of what comes in in another', () => {
    const { world } = givenUnder(policy, ...history).when(...comesIn(5_000n, EUR));
    expect([owed(world), has(world, 'a', EUR)]).toEqual([900n, 4_700n]);
  });

  it('belongs to them: it isn’t unfrozen unless two say so although it owes', () => {
    const unfrozen =
      (althoughOwing: boolean): Step =>
      (world) =>
        byTwo(world, {
          type: 'unfreeze_institution',
          request: { institutionId: 'a', reason: 'a plan', by: 'operator', althoughOwing },
        });
    givenUnder(policy, ...history)
      .when(unfrozen(false))
      .refused('DEFAULT_OWED');
    givenUnder(policy, ...owing, ...hopeless, declared())
      .when(unfrozen(true))
      .refused('DEFAULT_OPEN');
    const { world } = givenUnder(policy, ...history).when(unfrozen(true));
    expect(world.book.institutions.get('a').status).toBe('active');
    // A later default in euros takes over nothing that is owed in dollars.
    const again = [closed, later(DUE_MS), declared(EUR), collected];
    const both = givenUnder(policy, ...history, unfrozen(true)).when(...again).world;
    const states = both.book.defaults.all().flatMap((each) => (each.status === 'none' ? [] : [each]));
    expect(states.map(({ unit, owed: amount }) => [unit, amount])).toEqual(
      expect.arrayContaining([
        [USD, 1_000n],
        [EUR, 300n],
      ]),
    );
    expect(states.map(({ repaid }) => repaid.carriedOver)).toEqual([0n, 0n]);
    checkDefaults(both.book);
  });
});

describe('a contribution in another unit than BTC', () => {
  it('is made of what there is in it, and given back by two', () => {
    const { world } = given(paidIn('b', 100n)).when(pledged('b', 60n, 'default_fund'));
    expect([pledgeOf(world, 'default_fund', 'b'), pledgeOf(world, 'default_fund', 'b', BTC)]).toEqual([60n, 0n]);
    const contributed = [paidIn('b', 100n), pledged('b', 60n, 'default_fund')];
    given(...contributed)
      .when(pledged('b', 41n, 'default_fund'))
      .refused('INSUFFICIENT_BALANCE');
    given(...contributed)
      .when(pledged('b', 61n, 'default_fund', USD, 'release'))
      .refused('PLEDGE_NEEDED');
    const alone = {
      pledgeId: 'p',
      institutionId: 'b',
      pledge: 'default_fund',
      unit: USD,
      amount: 60n,
      by: 'k',
    } as const;
    given(...contributed)
      .when({ type: 'release_pledge', request: alone })
      .refused('SECOND_PERSON_REQUIRED');
    const back = given(...contributed).when(pledged('b', 60n, 'default_fund', USD, 'release')).world;
    expect([pledgeOf(back, 'default_fund', 'b'), has(back, 'b')]).toEqual([0n, 100n]);
  });
});
