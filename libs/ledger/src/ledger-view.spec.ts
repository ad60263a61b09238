import { describe, expect, it } from 'vitest';
import { unwrap } from '@finality/kernel';
import { type AccountId, debitHeadroom, openAccount } from './account.ts';
import {
  accountSpec,
  availableAccount,
  ccpAccount,
  type Claim,
  custodyAccount,
  heldAccount,
  incomingAccount,
  inFlightAccount,
  transitAccount,
} from './chart.ts';
import { LedgerView, TRANSFER_AMOUNT_MAX } from './ledger-view.ts';
import {
  correction,
  pending,
  post,
  single,
  type Transfer,
  type TransferId,
  transferId,
  voidPending,
} from './transfer.ts';

const A: Claim = { kind: 'clearing', institutionId: 'bank-a' };
const B: Claim = { kind: 'clearing', institutionId: 'bank-b' };
const ABOVE_DOUBLE = 2n ** 53n + 1n;

const key = (purpose: string, object: string, life = 1) => ({ purpose, object, life });
const idOf = (purpose: string, object: string, life = 1): TransferId => transferId(key(purpose, object, life));

const fund = (claim: Claim, amount: bigint, object = 'funding'): Transfer =>
  single({ ...key('fund', object), debit: transitAccount(), credit: availableAccount(claim), amount });
const pay = (object: string, amount: bigint, from = A, to = B): Transfer[] => [
  single({ ...key('pay', object), debit: availableAccount(from), credit: ccpAccount(), amount }),
  single({ ...key('receive', object), debit: ccpAccount(), credit: availableAccount(to), amount }),
];
const reserve = (object: string, amount: bigint, claim = A): Transfer =>
  pending({ ...key('reserve', object), debit: availableAccount(claim), credit: inFlightAccount(claim), amount });
const build = (object: string, amount: bigint): Transfer =>
  post({ ...key('build', object), pendingId: idOf('reserve', object), amount });
const release = (object: string): Transfer =>
  voidPending({ ...key('release', object), pendingId: idOf('reserve', object) });

function given(...groups: Transfer[][]): LedgerView {
  const ledger = LedgerView.inMemory();
  for (const group of groups) unwrap(ledger.post(group));
  return ledger;
}

describe('single transfers', () => {
  it('move an amount above 2^53 exactly', () => {
    const ledger = given([fund(A, ABOVE_DOUBLE)], pay('s1', ABOVE_DOUBLE));
    expect(ledger.balanceOf(A).available).toBe(0n);
    expect(ledger.balanceOf(B).available).toBe(ABOVE_DOUBLE);
    expect(ledger.account(transitAccount()).debitsPosted).toBe(ABOVE_DOUBLE);
  });

  it('are refused by a satoshi, naming what was there and what was needed', () => {
    const ledger = given([fund(A, 100n)]);
    expect(ledger.post(pay('s1', 101n))).toEqual({
      ok: false,
      error: {
        kind: 'insufficient',
        transferId: idOf('pay', 's1'),
        account: availableAccount(A),
        available: 100n,
        needed: 101n,
      },
    });
    expect(ledger.post(pay('s1', 100n)).ok).toBe(true);
  });

  it('may use the credit line to its last satoshi', () => {
    const ledger = given([fund(A, 100n)]);
    ledger.setCreditLine(A, 50n);
    expect(ledger.spendable(A)).toBe(150n);
    expect(ledger.post(pay('s1', 151n)).ok).toBe(false);
    expect(ledger.post(pay('s1', 150n)).ok).toBe(true);
    expect(ledger.balanceOf(A).available).toBe(-50n);
    expect(ledger.spendable(A)).toBe(0n);
  });

  it('stop when the credit line is lowered below what is drawn', () => {
    const ledger = LedgerView.inMemory();
    ledger.setCreditLine(A, 50n);
    unwrap(ledger.post(pay('s1', 40n)));
    ledger.setCreditLine(A, 10n);
    expect(ledger.spendable(A)).toBe(-30n);
    expect(ledger.post(pay('s2', 1n))).toMatchObject({ error: { kind: 'insufficient', available: -30n } });
  });

  it.each([0n, -1n, TRANSFER_AMOUNT_MAX + 1n])('are refused with an amount of %s', (amount) => {
    expect(LedgerView.inMemory().post([fund(A, amount)])).toMatchObject({
      error: { kind: 'amount_out_of_range', amount },
    });
  });

  it('need two accounts', () => {
    const same = single({ ...key('x', 'y'), debit: transitAccount(), credit: transitAccount(), amount: 1n });
    expect(LedgerView.inMemory().post([same])).toMatchObject({
      error: { kind: 'same_account', account: transitAccount() },
    });
  });

  it('are limited on the credit side of accounts that hold assets', () => {
    const asset: AccountId = custodyAccount('limited');
    const limited = { ...openAccount(accountSpec(asset)), limit: { kind: 'credits_must_not_exceed_debits' } as const };
    const ledger = new LedgerView({ accounts: [limited], transfers: [] });
    unwrap(ledger.post([single({ ...key('in', '1'), debit: asset, credit: transitAccount(), amount: 5n })]));
    const out = (object: string, amount: bigint) =>
      ledger.post([single({ ...key('out', object), debit: transitAccount(), credit: asset, amount })]);
    expect(out('1', 6n)).toMatchObject({ error: { kind: 'insufficient', account: asset, available: 5n, needed: 6n } });
    expect(out('1', 5n).ok).toBe(true);
  });

  it('never count what is only pending in the payee’s favour', () => {
    const ledger = given([fund(A, 100n)]);
    unwrap(
      ledger.post([
        pending({ ...key('p', '1'), debit: availableAccount(A), credit: availableAccount(B), amount: 60n }),
      ]),
    );
    expect(ledger.post(pay('s1', 1n, B, A))).toMatchObject({ error: { kind: 'insufficient', available: 0n } });
  });
});

describe('limits inside a batch', () => {
  it('let exactly one of five transfers of 60 through a cap of 100 (Mojaloop reserves all five)', () => {
    const ledger = LedgerView.inMemory();
    ledger.setCreditLine(A, 100n);
    const groups = ['s1', 's2', 's3', 's4', 's5'].map((object) => pay(object, 60n));
    expect(ledger.postGroups(groups).map((result) => result.ok)).toEqual([true, false, false, false, false]);
    expect(ledger.balanceOf(A).available).toBe(-60n);
    expect(ledger.balanceOf(B).available).toBe(60n);
  });

  it('hold for reservations just the same', () => {
    const ledger = given([fund(A, 100n)]);
    const results = ['s1', 's2', 's3'].map((object) => ledger.post([reserve(object, 60n)]).ok);
    expect(results).toEqual([true, false, false]);
  });

  it('see what earlier transfers of the batch brought in', () => {
    const ledger = given([fund(A, 10n)]);
    expect(ledger.postGroups([pay('s1', 10n), pay('s2', 10n, B, A)]).map((result) => result.ok)).toEqual([true, true]);
  });
});

describe('linked groups', () => {
  it('leave no trace when one transfer fails', () => {
    const ledger = given([fund(A, 100n)]);
    const group = [...pay('s1', 60n), ...pay('s2', 60n)];
    expect(ledger.post(group)).toMatchObject({ error: { kind: 'insufficient', transferId: idOf('pay', 's2') } });
    expect(ledger.balanceOf(A)).toEqual({ available: 100n, reserved: 0n, inFlight: 0n, incoming: 0n, held: 0n });
    expect(ledger.transfer(idOf('pay', 's1'))).toBeUndefined();
    expect(ledger.changes().transfers).toHaveLength(1);
  });

  it('take back the end of a reservation too', () => {
    const ledger = given([fund(A, 100n), reserve('s1', 80n)]);
    expect(ledger.post([release('s1'), ...pay('s2', 101n)]).ok).toBe(false);
    expect(ledger.resolutionOf(idOf('reserve', 's1'))).toBeUndefined();
    expect(ledger.balanceOf(A).reserved).toBe(80n);
    expect(ledger.post([release('s1'), ...pay('s2', 100n)]).ok).toBe(true);
  });

  it('can be checked without being made', () => {
    const ledger = given([fund(A, 100n)]);
    expect(ledger.check(pay('s1', 100n)).ok).toBe(true);
    expect(ledger.check(pay('s1', 101n)).ok).toBe(false);
    expect(ledger.changes().transfers).toHaveLength(1);
    expect(ledger.spendable(A)).toBe(100n);
  });

  it('can be taken back to a savepoint', () => {
    const ledger = given([fund(A, 100n)]);
    const before = ledger.savepoint();
    unwrap(ledger.post([reserve('s1', 10n)]));
    ledger.setCreditLine(A, 7n);
    unwrap(ledger.post([build('s1', 4n)]));
    ledger.rollbackTo(before);
    expect(ledger.balanceOf(A)).toEqual({ available: 100n, reserved: 0n, inFlight: 0n, incoming: 0n, held: 0n });
    expect(ledger.spendable(A)).toBe(100n);
    expect(ledger.post([reserve('s1', 10n)])).toMatchObject({ value: [{ outcome: 'created' }] });
  });
});

describe('two-phase transfers', () => {
  it('reserve, post a part and release the rest', () => {
    const ledger = given([fund(A, 1_000n)], [reserve('s1', 700n)]);
    expect(ledger.balanceOf(A)).toEqual({ available: 300n, reserved: 700n, inFlight: 0n, incoming: 0n, held: 0n });
    unwrap(ledger.post([build('s1', 650n)]));
    expect(ledger.balanceOf(A)).toEqual({ available: 350n, reserved: 0n, inFlight: 650n, incoming: 0n, held: 0n });
    expect(ledger.resolutionOf(idOf('reserve', 's1'))).toMatchObject({ kind: 'post', amount: 650n });
  });

  it('release everything when voided', () => {
    const ledger = given([fund(A, 1_000n), reserve('s1', 700n)], [release('s1')]);
    expect(ledger.balanceOf(A)).toEqual({ available: 1_000n, reserved: 0n, inFlight: 0n, incoming: 0n, held: 0n });
  });

  it('post no more than was reserved', () => {
    const ledger = given([fund(A, 1_000n), reserve('s1', 700n)]);
    expect(ledger.post([build('s1', 701n)])).toMatchObject({
      error: { kind: 'amount_exceeds_pending', pending: 700n, amount: 701n },
    });
    expect(ledger.post([build('s1', 0n)])).toMatchObject({ error: { kind: 'amount_out_of_range' } });
    expect(ledger.post([build('s1', 700n)]).ok).toBe(true);
  });

  it('end once', () => {
    const posted = given([fund(A, 10n), reserve('s1', 10n)], [build('s1', 9n)]);
    expect(posted.post([release('s1')])).toMatchObject({ error: { kind: 'already_posted', by: idOf('build', 's1') } });
    const voided = given([fund(A, 10n), reserve('s1', 10n)], [release('s1')]);
    expect(voided.post([build('s1', 9n)])).toMatchObject({
      error: { kind: 'already_voided', by: idOf('release', 's1') },
    });
  });

  it('must exist and be pending', () => {
    const ledger = given([fund(A, 10n)]);
    expect(ledger.post([release('s1')])).toMatchObject({
      error: { kind: 'unknown_pending', pendingId: idOf('reserve', 's1') },
    });
    const wrong = voidPending({ ...key('release', 'x'), pendingId: idOf('fund', 'funding') });
    expect(ledger.post([wrong])).toMatchObject({ error: { kind: 'not_pending' } });
  });

  it('can be posted although a correction has overdrawn the account since', () => {
    const ledger = given([fund(A, 100n), reserve('s1', 100n)]);
    unwrap(ledger.post([correction({ ...reversal(100n), corrects: idOf('fund', 'funding') })]));
    expect(ledger.post([build('s1', 100n)]).ok).toBe(true);
  });
});

describe('the same transfer again', () => {
  it('is a no-op, whatever became of it since', () => {
    const ledger = given([fund(A, 100n)], [reserve('s1', 60n)], [build('s1', 50n)]);
    const again = ledger.post([fund(A, 100n), reserve('s1', 60n), build('s1', 50n)]);
    expect(unwrap(again).map((posted) => posted.outcome)).toEqual(['exists', 'exists', 'exists']);
    expect(ledger.balanceOf(A)).toEqual({ available: 50n, reserved: 0n, inFlight: 50n, incoming: 0n, held: 0n });
    expect(ledger.changes().transfers).toHaveLength(3);
  });

  it('is no conflict when there is nothing left to pay it with', () => {
    const ledger = given([fund(A, 100n)], pay('s1', 100n));
    expect(unwrap(ledger.post(pay('s1', 100n))).every((posted) => posted.outcome === 'exists')).toBe(true);
  });

  it.each<[string, Transfer]>([
    ['amount', fund(A, 101n)],
    ['credit', fund(B, 100n)],
    [
      'kind',
      pending({ ...key('fund', 'funding'), debit: transitAccount(), credit: availableAccount(A), amount: 100n }),
    ],
    [
      'settlementId',
      single({
        ...key('fund', 'funding'),
        debit: transitAccount(),
        credit: availableAccount(A),
        amount: 100n,
        settlementId: 's',
      }),
    ],
  ])('is an error when its %s differs', (field, transfer) => {
    expect(given([fund(A, 100n)]).post([transfer])).toMatchObject({ error: { kind: 'exists_with_different', field } });
  });

  it('is another transfer in its next life', () => {
    const ledger = given([fund(A, 100n)]);
    const next = single({
      ...key('fund', 'funding', 2),
      debit: transitAccount(),
      credit: availableAccount(A),
      amount: 100n,
    });
    expect(ledger.post([next])).toMatchObject({ value: [{ outcome: 'created' }] });
    expect(ledger.spendable(A)).toBe(200n);
  });
});

const reversal = (amount: bigint) => ({
  ...key('reverse', 'funding'),
  debit: availableAccount(A),
  credit: incomingAccount(A),
  amount,
});

describe('corrections', () => {
  it('skip limits, overdraw, and say so', () => {
    const ledger = given([fund(A, 100n)], pay('s1', 80n));
    const corrected = ledger.post([correction({ ...reversal(100n), corrects: idOf('fund', 'funding') })]);
    expect(unwrap(corrected)).toEqual([
      { transferId: idOf('reverse', 'funding'), outcome: 'created', overdrawn: [availableAccount(A)] },
    ]);
    expect(ledger.balanceOf(A)).toEqual({ available: -80n, reserved: 0n, inFlight: 0n, incoming: 100n, held: 0n });
    expect(ledger.post(pay('s2', 1n)).ok).toBe(false);
  });

  it('overdraw nothing when there is enough', () => {
    const ledger = given([fund(A, 100n)]);
    expect(ledger.post([correction({ ...reversal(100n), corrects: idOf('fund', 'funding') })])).toMatchObject({
      value: [{ overdrawn: [] }],
    });
  });

  it('name a transfer that exists', () => {
    const unknown = correction({ ...reversal(1n), corrects: idOf('fund', 'elsewhere') });
    expect(LedgerView.inMemory().post([unknown])).toMatchObject({ error: { kind: 'unknown_corrected' } });
  });
});

describe('a part of a ledger', () => {
  it('refuses to guess about what was not loaded', () => {
    const ledger = new LedgerView({
      accounts: [],
      transfers: [],
      lookedFor: { accounts: [availableAccount(A)], transfers: [idOf('reserve', 's1')] },
    });
    expect(ledger.spendable(A)).toBe(0n);
    expect(() => ledger.account(heldAccount(A))).toThrow('was not loaded');
    expect(() => ledger.transfer(idOf('fund', 'funding'))).toThrow('was not loaded');
    expect(() => ledger.post([release('s2')])).toThrow('was not loaded');
    expect(ledger.post([release('s1')])).toMatchObject({ error: { kind: 'unknown_pending' } });
  });

  it('finds out that what changed does not add up', () => {
    const crooked = { ...openAccount(accountSpec(transitAccount())), debitsPosted: 5n };
    expect(() => new LedgerView({ accounts: [crooked], transfers: [] }).assertZeroSum()).toThrow('off by -5 of BTC');
  });

  it('tells what is new from what has changed', () => {
    const funded = { ...openAccount(accountSpec(availableAccount(A))), creditsPosted: 10n };
    const idle = openAccount(accountSpec(heldAccount(A)));
    const ledger = new LedgerView({
      accounts: [funded, idle],
      transfers: [],
      lookedFor: { accounts: [funded.id, idle.id, ccpAccount(), availableAccount(B)], transfers: [] },
    });
    unwrap(ledger.post(pay('s1', 10n)));
    const { accounts } = ledger.changes();
    expect(accounts.map(({ before, after }) => [after.id, before?.creditsPosted])).toEqual([
      [funded.id, 10n],
      [ccpAccount(), undefined],
      [availableAccount(B), undefined],
    ]);
    expect(debitHeadroom(ledger.account(funded.id))).toBe(0n);
  });
});
