import type { Instant } from '@finality/kernel';
import { BTC, creditBalance, type Pledge, pledgeAccount, standbyAccount } from '@finality/ledger';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stopsSigning } from '../chain-tip.ts';
import { type KnownDefault, sharesOf, sumOf } from '../default.ts';
import { collectDebts, pledge, setTerms } from '../spec/credit.fixture.ts';
import { approved, balance, CLEARING_A, CLEARING_B, funded, given, givenUnder, lastOf } from '../spec/given.fixture.ts';
import { settlementOf, submitted } from '../spec/given.fixture.ts';
import { closeWindow, openWindow } from '../spec/netting-actions.fixture.ts';
import { POLICY } from '../spec/memory-book.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

type Step = (world: World) => unknown;

const DUE_MS = 60_000;
const ALL_STEPS = 0;
const ONE_STEP = 2;

const BOTH = { by: 'operator', confirmedBy: 'operator-2' };

const line =
  (creditLineSats: bigint, expiresInMs?: number): Step =>
  (world) => {
    const expiresAt = expiresInMs === undefined ? {} : { expiresAt: (world.book.now + expiresInMs) as Instant };
    const request = { institutionId: 'a', creditLineSats, ...expiresAt, reason: 'reviewed', ...BOTH };
    return world.tell({ type: 'set_credit_line', request });
  };
const terms =
  (haircutBps?: number, dueAfterMs = DUE_MS): Step =>
  (world) =>
    setTerms(world, 'a', haircutBps, dueAfterMs);
const pledged =
  (institutionId: string, amountSats: bigint, kind: Pledge): Step =>
  (world) =>
    pledge(world, 'post_pledge', institutionId, amountSats, kind);
const paid = (amountSats: bigint, from = 'a', to = 'b'): readonly Step[] => [
  submitted('centralized', amountSats, from, to),
  approved,
];
const closed: Step = (world) => closeWindow(world, world.book.netting.get().multilateral!.windowId);
const later =
  (ms: number): Step =>
  (world) =>
    void (world.book.now = (world.book.now + ms) as Instant);
const collected: Step = (world) => collectDebts(world, 0, ALL_STEPS);
const onePass: Step = (world) => collectDebts(world, 0, ONE_STEP);
const overdue = [later(DUE_MS), collected];

/** `a` owes 10,000 at the close. */
const owing = [line(10_000n), terms(), openWindow, ...paid(10_000n), closed];

function onlyDefault({ book }: World): KnownDefault {
  const [state, ...more] = book.defaults.all();
  if (state?.status === undefined || state.status === 'none' || more.length > 0)
    throw new Error('expected one default');
  return state;
}

const windowStatus = ({ book }: World): string => book.windows.get(book.windows.ids()[0]!).status;
const pledgeOf = (world: World, kind: Pledge, id: string): bigint =>
  creditBalance(world.book.ledger.account(pledgeAccount(kind, id)));

/** Nothing but what is named. */
const NONE = {
  collateral: 0n,
  contribution: 0n,
  lent: 0n,
  standby: 0n,
  paid: 0n,
  takenBack: 0n,
  loss: 0n,
  uncovered: 0n,
  left: 0n,
};

describe('what was drawn when a window closed', () => {
  it('is owed until its time, and the window is settling', () => {
    const world = given(...owing)
      .when(later(DUE_MS - 1), { type: 'collect', institutionId: 'a' })
      .then();
    expect(windowStatus(world)).toBe('settling');
    expect(world.book.timers.get('a collection')).toBe(world.book.now + 1);
  });

  it('is paid by what comes in', () => {
    const world = given(...owing, funded('a', 'clearing', 10_000n))
      .when(...overdue)
      .then('credit/a obligation_met', expect.stringMatching(/^window\/.* obligation_ended$/) as unknown as string);
    expect(windowStatus(world)).toBe('settled');
    expect(world.book.timers.has('a collection')).toBe(false);
    expect(world.book.institutions.get('a').status).toBe('active');
  });

  it('is paid first by what comes in, whatever was drawn since', () => {
    const again = [funded('a', 'clearing', 10_000n), ...paid(10_000n)];
    const world = given(...owing, ...again).when(...overdue).world;
    expect(windowStatus(world)).toBe('settled');
    expect(balance(world, CLEARING_A)).toEqual({ available: -10_000n });
    // The next window's.
    expect(onlyDefault(given(...owing, ...again, closed).when(...overdue).world)).toMatchObject({
      overdue: 10_000n,
    });
  });

  it('of nobody with such terms is lent, as before', () => {
    const world = given(line(10_000n), openWindow, ...paid(10_000n), closed)
      .when(...overdue)
      .then();
    expect(windowStatus(world)).toBe('settled');
  });
});

describe('a default', () => {
  it('freezes, is told, and stops nobody else', () => {
    const { world } = given(...owing).when(...overdue);
    expect(world.book.institutions.get('a')).toMatchObject({ status: 'frozen' });
    expect(world.book.tip.get().incidents).toMatchObject([{ kind: 'participant_default' }]);
    expect(stopsSigning(world.book.tip.get())).toBe(false);
    expect(windowStatus(world)).toBe('settled');
  });

  it('is decided once', () => {
    const world = given(...owing, ...overdue)
      .when(collected, { type: 'collect', institutionId: 'a' })
      .then();
    expect(onlyDefault(world).status).toBe('closed');
  });

  it('takes collateral first, then its own contribution; an unsecured line lends the rest, and no more', () => {
    const pledges = [
      funded('a', 'clearing', 7_000n),
      pledged('a', 4_000n, 'collateral'),
      pledged('a', 3_000n, 'default_fund'),
    ];
    const { world } = given(...pledges, ...owing).when(...overdue);
    const expected = { ...NONE, owed: 10_000n, collateral: 4_000n, contribution: 3_000n, lent: 3_000n };
    expect(onlyDefault(world)).toMatchObject({ ...expected, status: 'closed' });
    expect(balance(world, CLEARING_A)).toEqual({ available: -3_000n });
    expect(world.book.ledger.spendable(CLEARING_A)).toBe(0n);
    expect(world.book.institutions.get('a')).toMatchObject({ creditLineSats: 3_000n });
  });

  it('takes of the collateral what is owed, and leaves the rest', () => {
    const pledges = [funded('a', 'clearing', 50_000n), pledged('a', 50_000n, 'collateral'), terms(2_000)];
    const { world } = given(...pledges, line(10_000n), terms(2_000), openWindow, ...paid(10_000n), closed).when(
      ...overdue,
    );
    expect(onlyDefault(world)).toMatchObject({ ...NONE, owed: 10_000n, collateral: 10_000n });
    expect(pledgeOf(world, 'collateral', 'a')).toBe(40_000n);
    expect(world.book.ledger.spendable(CLEARING_A)).toBe(0n);
  });

  it('of a line that is gone takes the standby line, up to what there is of it', () => {
    const policy = { ...POLICY, standbyMax: [{ unit: BTC, amount: 10_000n }] };
    const { world } = givenUnder(policy, ...owing, line(0n)).when(...overdue);
    expect(onlyDefault(world)).toMatchObject({ ...NONE, owed: 10_000n, standby: 10_000n });
    expect(creditBalance(world.book.ledger.account(standbyAccount()))).toBe(-10_000n);
    const less = givenUnder({ ...POLICY, standbyMax: [{ unit: BTC, amount: 9_999n }] }, ...owing, line(0n)).when(
      ...overdue,
    );
    expect(onlyDefault(less.world)).toMatchObject({ ...NONE, standby: 9_999n, takenBack: 1n });
  });
});

describe('what nothing covers', () => {
  it('is taken back from payees, newest first, by settlements that reverse', () => {
    const history = [line(10_000n), terms(), openWindow, ...paid(6_000n), ...paid(4_000n, 'a', 'c'), closed, line(0n)];
    const { world } = given(...history).when(...overdue);
    const { unwound, ...state } = onlyDefault(world);
    expect(state).toMatchObject({ ...NONE, status: 'closed', owed: 10_000n, takenBack: 10_000n });
    expect(unwound).toMatchObject([
      { settlementId: 's-2', payeeId: 'c', amount: 4_000n },
      { settlementId: 's-1', payeeId: 'b', amount: 6_000n },
    ]);
    expect(settlementOf(world, unwound[0]!.reversalId).terms).toMatchObject({ from: 'c', to: 'a', reverses: 's-2' });
    expect([CLEARING_A, CLEARING_B].map((claim) => balance(world, claim))).toEqual([{}, {}]);
  });

  it('stops where it is covered, and takes no more than a payee has of its own', () => {
    const passedOn = [...paid(5_000n, 'b', 'c')];
    const history = [line(10_000n), terms(), openWindow, ...paid(6_000n), ...passedOn, ...paid(4_000n), closed];
    const { world } = given(...history, line(7_000n)).when(...overdue);
    expect(onlyDefault(world)).toMatchObject({ ...NONE, owed: 10_000n, lent: 7_000n, takenBack: 3_000n });
    expect(onlyDefault(world).unwound).toMatchObject([{ settlementId: 's-3', amount: 3_000n }]);
    expect(balance(world, CLEARING_B)).toEqual({ available: 2_000n });
    const short = given(...history, line(0n)).when(...overdue).world;
    expect(onlyDefault(short)).toMatchObject({ takenBack: 5_000n, uncovered: 5_000n });
    expect(balance(short, CLEARING_A)).toEqual({ available: -5_000n });
  });

  it('leaves alone what was settled before the window', () => {
    const before = [funded('a', 'clearing', 9_000n), openWindow, ...paid(9_000n), closed];
    const { world } = given(
      ...before,
      line(10_000n),
      terms(),
      later(1),
      closed,
      ...paid(1_000n),
      closed,
      line(0n),
    ).when(...overdue);
    expect(onlyDefault(world).unwound).toMatchObject([{ settlementId: 's-2', amount: 1_000n }]);
  });

  it('fails what is queued, first of all', () => {
    const { world } = given(...owing, ...paid(1n), line(0n)).when(...overdue);
    expect(settlementOf(world, 's-2').status).toBe('failed');
    expect(onlyDefault(world)).toMatchObject({ failedCount: 1, takenBack: 10_000n });
  });

  it('counts what comes in while it goes on', () => {
    const { world } = given(...owing, line(0n), later(DUE_MS), onePass, funded('a', 'clearing', 4_000n)).when(
      collected,
    );
    expect(onlyDefault(world)).toMatchObject({ ...NONE, paid: 4_000n, takenBack: 6_000n });
  });

  it('is borne by others’ contributions in proportion, to the satoshi', () => {
    const contributions = [
      ...(['b', 'c'] as const).map((id) => funded(id, 'clearing', 3_000n)),
      pledged('b', 1_000n, 'default_fund'),
      pledged('c', 2_000n, 'default_fund'),
    ];
    const gone = [...paid(12_000n, 'b', 'd'), ...paid(1_000n, 'c', 'd')];
    const { world } = given(...contributions, ...owing, ...gone, line(8_000n)).when(...overdue);
    const shares = [
      { institutionId: 'b', amount: 667n },
      { institutionId: 'c', amount: 1_333n },
    ];
    expect(onlyDefault(world)).toMatchObject({ ...NONE, lent: 8_000n, loss: 2_000n, shares });
    expect(pledgeOf(world, 'default_fund', 'b')).toBe(333n);
    expect(pledgeOf(world, 'default_fund', 'c')).toBe(667n);
    const worse = given(...contributions, ...owing, ...gone, line(6_000n)).when(...overdue).world;
    expect(onlyDefault(worse)).toMatchObject({ ...NONE, lent: 6_000n, loss: 3_000n, uncovered: 1_000n });
    expect(lastOf(worse)).toBe('s-3');
  });
});

describe('the shares of a loss', () => {
  it('add up to it, are in proportion, and never more than a contribution', () => {
    const anyAmount = fc.bigInt({ min: 0n, max: 21n * 10n ** 14n });
    fc.assert(
      fc.property(anyAmount, fc.array(anyAmount, { maxLength: 8 }), (loss, amounts) => {
        const contributions = amounts.map((each, i) => ({ institutionId: `i-${i}`, amount: each }));
        const fund = sumOf(contributions);
        const shares = sharesOf(loss, contributions);
        expect(sumOf(shares)).toBe(loss < fund ? loss : fund);
        for (const { institutionId, amount } of shares) {
          const of = contributions.find((each) => each.institutionId === institutionId)!;
          expect(amount).toBeLessThanOrEqual(of.amount);
          const exact = fund === 0n || loss > fund ? of.amount : (loss * of.amount) / fund;
          expect(amount - exact === 0n || amount - exact === 1n).toBe(true);
        }
        expect(sharesOf(loss, contributions.toReversed())).toEqual(shares);
      }),
    );
  });
});
