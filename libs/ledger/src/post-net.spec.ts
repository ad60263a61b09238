import { describe, expect, it } from 'vitest';
import { availableAccount, ccpAccount, transitAccount } from './chart.ts';
import { LedgerView } from './ledger-view.ts';
import { single, type SingleTransfer } from './transfer.ts';

const clearing = (institutionId: string) => ({ kind: 'clearing', institutionId }) as const;
const [A, B, C] = [availableAccount(clearing('a')), availableAccount(clearing('b')), availableAccount(clearing('c'))];

let objects = 0;
const pays = (debit: typeof A, credit: typeof A, amount: bigint): SingleTransfer =>
  single({ purpose: 'net', object: `o-${++objects}`, life: 1, debit, credit, amount });

function ledgerWith(own: Readonly<Record<string, bigint>>): LedgerView {
  const ledger = LedgerView.inMemory();
  for (const [id, amount] of Object.entries(own))
    ledger.post([pays(transitAccount(), availableAccount(clearing(id)), amount)]);
  return ledger;
}

const left = (ledger: LedgerView): bigint[] => ['a', 'b', 'c'].map((id) => ledger.balanceOf(clearing(id)).available);

describe('what is made all together', () => {
  it('needs nothing that the others of it bring', () => {
    const ledger = ledgerWith({});
    const circle = [pays(A, B, 10n), pays(B, C, 10n), pays(C, A, 10n)];
    expect(ledger.post(circle)).toMatchObject({ ok: false, error: { kind: 'insufficient', account: A } });
    expect(ledger.postNet(circle)).toMatchObject({ ok: true });
    expect(left(ledger)).toEqual([0n, 0n, 0n]);
    expect(ledger.changes().transfers).toHaveLength(3);
  });

  it('goes to the limit and not a satoshi further', () => {
    const ledger = ledgerWith({ a: 4n });
    ledger.setCreditLine(clearing('a'), 2n);
    const owed = (amount: bigint) => [pays(A, B, 10n), pays(A, C, amount), pays(B, A, 5n)];
    const refused = ledger.postNet(owed(2n));
    expect(refused).toMatchObject({
      ok: false,
      error: { kind: 'insufficient', account: A, available: 11n, needed: 12n },
    });
    expect(left(ledger)).toEqual([4n, 0n, 0n]);
    expect(ledger.postNet(owed(1n))).toMatchObject({ ok: true });
    expect(left(ledger)).toEqual([-2n, 5n, 1n]);
  });

  it('leaves alone whoever is past a limit and only gets something', () => {
    const ledger = ledgerWith({ b: 3n });
    ledger.setCreditLine(clearing('a'), 5n);
    ledger.post([pays(A, C, 5n)]);
    ledger.setCreditLine(clearing('a'), 0n);
    expect(ledger.postNet([pays(B, A, 3n), pays(A, B, 1n)])).toMatchObject({ ok: false, error: { account: A } });
    const paid = ledger.postNet([pays(B, A, 3n)]);
    expect(paid.ok && paid.value.map(({ overdrawn }) => overdrawn)).toEqual([[]]);
    expect(left(ledger)).toEqual([-2n, 0n, 5n]);
  });

  it('passes through an account that keeps nothing', () => {
    const ledger = ledgerWith({});
    expect(ledger.postNet([pays(ccpAccount(), A, 5n), pays(A, ccpAccount(), 5n)])).toMatchObject({ ok: true });
    expect(ledger.postNet([pays(ccpAccount(), A, 5n)])).toMatchObject({ ok: false, error: { account: ccpAccount() } });
  });

  it('is made once, and refused as a whole for whatever else is wrong', () => {
    const ledger = ledgerWith({ a: 5n });
    const group = [pays(A, B, 5n), pays(B, A, 5n)];
    ledger.postNet(group);
    const again = ledger.postNet(group);
    expect(again.ok && again.value.map(({ outcome }) => outcome)).toEqual(['exists', 'exists']);
    expect(ledger.postNet([pays(A, B, 5n), pays(A, A, 1n)])).toMatchObject({ error: { kind: 'same_account' } });
    expect(left(ledger)).toEqual([5n, 0n, 0n]);
  });
});
