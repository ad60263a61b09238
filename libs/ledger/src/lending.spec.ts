import { assert } from '@finality/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { availableAccount, ccpAccount, clearingClaim, pledgeAccount } from './chart.ts';
import { LedgerView } from './ledger-view.ts';
import { correction, pending, single, type SingleTransfer, voidPending } from './transfer.ts';
import { parseUnit } from './unit.ts';

const USD = parseUnit('USD')!;
const CAP = 100n;
const of = (id: string) => availableAccount({ kind: 'clearing', institutionId: id });

let made = 0;
const key = (): { purpose: string; object: string; life: number } => ({
  purpose: 'test',
  object: `${++made}`,
  life: 1,
});

function pay(from: string, to: string, amount: bigint): readonly SingleTransfer[] {
  return [
    single({ ...key(), debit: of(from), credit: ccpAccount(), amount }),
    single({ ...key(), debit: ccpAccount(), credit: of(to), amount }),
  ];
}

/** Each may owe 80, and all together 100. */
function lending(lent = 0n): LedgerView {
  const view = LedgerView.inMemory();
  view.limitLending(CAP, lent);
  for (const institutionId of ['a', 'b', 'c']) view.setCreditLine({ kind: 'clearing', institutionId }, 80n);
  return view;
}

const post = (view: LedgerView, ...transfers: readonly SingleTransfer[]): string => {
  const result = view.post(transfers);
  return result.ok ? 'posted' : result.error.kind;
};

describe('what the platform lends in all', () => {
  it('is capped, whatever each line is', () => {
    const view = lending();
    expect(post(view, ...pay('a', 'd', 80n))).toBe('posted');
    expect(post(view, ...pay('b', 'd', 21n))).toBe('lending_cap');
    expect(post(view, ...pay('b', 'd', 20n))).toBe('posted');
    expect(post(view, ...pay('c', 'd', 1n))).toBe('lending_cap');
    expect(view.spendable({ kind: 'clearing', institutionId: 'c' })).toBe(80n);
    // Of its own nobody is kept from anything.
    expect(post(view, ...pay('d', 'e', 100n))).toBe('posted');
  });

  it('counts what others owe, who aren’t in the batch', () => {
    const view = lending(99n);
    expect(post(view, ...pay('a', 'd', 2n))).toBe('lending_cap');
    expect(post(view, ...pay('a', 'd', 1n))).toBe('posted');
  });

  it('moves from one who owes to another at the cap', () => {
    const view = lending();
    expect(post(view, ...pay('a', 'd', 80n), ...pay('b', 'd', 20n))).toBe('posted');
    expect(post(view, ...pay('b', 'a', 60n))).toBe('posted');
    expect(view.postNet([...pay('b', 'a', 10n), ...pay('a', 'b', 15n)])).toMatchObject({ ok: true });
    expect(view.postNet([...pay('a', 'b', 10n), ...pay('b', 'd', 15n)])).toMatchObject({
      ok: false,
      error: { kind: 'lending_cap' },
    });
  });

  it('counts reservations, and no other account or unit', () => {
    const view = lending();
    const reservation = pending({ ...key(), debit: of('a'), credit: ccpAccount(), amount: 80n });
    expect(view.post([reservation]).ok).toBe(true);
    expect(post(view, ...pay('b', 'd', 30n))).toBe('lending_cap');
    expect(view.post([voidPending({ ...key(), pendingId: reservation.id })]).ok).toBe(true);
    expect(post(view, ...pay('b', 'd', 80n))).toBe('posted');
    const dollars = availableAccount(clearingClaim('a', USD));
    const move = single({ ...key(), debit: ccpAccount(USD), credit: dollars, amount: 500n });
    view.impose([move]);
    view.impose([single({ ...key(), debit: pledgeAccount('collateral', 'a'), credit: of('d'), amount: 500n })]);
    expect(post(view, ...pay('c', 'd', 20n))).toBe('posted');
  });

  it('is never a reason not to put something right', () => {
    const view = lending();
    const paid = pay('d', 'e', 1n);
    view.impose(paid);
    const corrects = paid[0]!.id;
    expect(view.post([correction({ ...key(), debit: of('a'), credit: of('d'), amount: 200n, corrects })]).ok).toBe(
      true,
    );
    expect(post(view, ...pay('a', 'd', 1n))).toBe('insufficient');
  });

  it('is never past its cap, however payments are batched', () => {
    const party = fc.constantFrom('a', 'b', 'c', 'd');
    const payment = fc.record({ from: party, to: party, amount: fc.bigInt({ min: 1n, max: 70n }) });
    fc.assert(
      fc.property(fc.array(payment, { maxLength: 40 }), fc.integer({ min: 1, max: 7 }), (payments, size) => {
        const groups = payments
          .filter(({ from, to }) => from !== to)
          .map((each) => pay(each.from, each.to, each.amount));
        const whole = lending();
        const outcomes = groups.map((group) => post(whole, ...group));
        expect(lentIn(whole)).toBeLessThanOrEqual(CAP);
        // The same in batches of which each is a view of its own.
        let view = lending();
        const batched = groups.map((group, i) => {
          if (i % size === 0) view = next(view);
          const outcome = post(view, ...group);
          expect(lentIn(view)).toBeLessThanOrEqual(CAP);
          return outcome;
        });
        expect(batched).toEqual(outcomes);
      }),
    );
  });
});

const lentIn = (view: LedgerView): bigint =>
  ['a', 'b', 'c', 'd'].reduce((sum, institutionId) => {
    const { available } = view.balanceOf({ kind: 'clearing', institutionId });
    return available < 0n ? sum - available : sum;
  }, 0n);

function next(view: LedgerView): LedgerView {
  const { transfers } = view.changes();
  assert(transfers.length >= 0, 'what was made is kept');
  const after = new LedgerView({ accounts: view.accounts(), transfers });
  after.limitLending(CAP, lentIn(view));
  return after;
}
