import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Account, type AccountId, creditBalance, creditHeadroom, debitHeadroom, isOverdrawn } from './account.ts';
import {
  availableAccount,
  type Claim,
  clearingClaim,
  inFlightAccount,
  nostroAccount,
  transitAccount,
} from './chart.ts';
import { LedgerModel, type Told } from './ledger-model.fixture.ts';
import { LedgerView, TRANSFER_AMOUNT_MAX } from './ledger-view.ts';
import { parseUnit, type Unit } from './unit.ts';
import { correction, pending, post, single, type Transfer, transferId, voidPending } from './transfer.ts';

const CLAIMS: readonly Claim[] = ['a', 'b', 'c'].map((institutionId) => ({ kind: 'clearing', institutionId }));
const ACCOUNTS: readonly AccountId[] = [
  transitAccount(),
  ...CLAIMS.flatMap((c) => [availableAccount(c), inFlightAccount(c)]),
];
const USD = parseUnit('USD')!;
const DOLLARS: readonly AccountId[] = [
  nostroAccount(USD),
  ...['a', 'b'].map((institutionId) => availableAccount(clearingClaim(institutionId, USD))),
];

/** Few objects and lives, so that repeats, conflicts and second ends of the same reservation are common. */
const object = fc.constantFrom('o1', 'o2', 'o3', 'o4');
const amount = fc.oneof(
  { arbitrary: fc.bigInt(0n, 100n), weight: 4 },
  fc.bigInt(2n ** 53n - 2n, 2n ** 53n + 2n),
  fc.bigInt(TRANSFER_AMOUNT_MAX - 1n, TRANSFER_AMOUNT_MAX + 1n),
);
const moveAmong = (accounts: readonly AccountId[]) => {
  const account = fc.constantFrom(...accounts);
  return fc.record({ object, life: fc.integer({ min: 1, max: 2 }), debit: account, credit: account, amount });
};
/** Now and then in another unit, or from one unit to another. */
const move = fc.oneof(
  { arbitrary: moveAmong(ACCOUNTS), weight: 6 },
  { arbitrary: moveAmong(DOLLARS), weight: 2 },
  moveAmong([...ACCOUNTS, ...DOLLARS]),
);
/** Sometimes of what never was a reservation. */
const purpose = fc.constantFrom('pending', 'pending', 'pending', 'single');
const resolution = fc.record({ object, life: fc.constant(1), amount, of: purpose });
const pendingId = (of: string, object: string) => transferId({ purpose: of, object, life: 1 });

const transfer: fc.Arbitrary<Transfer> = fc.oneof(
  move.map((m) => single({ ...m, purpose: 'single' })),
  move.map((m) => single({ ...m, purpose: 'fund', debit: transitAccount() })),
  move.map((m) => single({ ...m, purpose: 'fund', debit: nostroAccount(USD) })),
  move.map((m) => pending({ ...m, purpose: 'pending', life: 1 })),
  resolution.map(({ amount: part, of, ...r }) =>
    post({ ...r, purpose: 'post', pendingId: pendingId(of, r.object), amount: part }),
  ),
  resolution.map(({ object: o, life, of }) =>
    voidPending({ object: o, life, purpose: 'void', pendingId: pendingId(of, o) }),
  ),
  move.map((m) =>
    correction({ ...m, purpose: 'correct', corrects: transferId({ purpose: 'fund', object: m.object, life: 1 }) }),
  ),
);
const groups = fc.array(fc.array(transfer, { minLength: 1, maxLength: 4 }), { maxLength: 30 });

/** What several owe each other, at once; now and then something else besides. */
const owed = fc
  .record({
    object: fc.integer({ min: 1, max: 99 }).map((n) => `n${n}`),
    life: fc.constant(1),
    from: fc.integer({ min: 0, max: 2 }),
    by: fc.integer({ min: 1, max: 2 }),
    amount: fc.constantFrom(5n, 10n),
  })
  .map(({ from, by, ...rest }) => ({
    ...rest,
    debit: availableAccount(CLAIMS[from]!),
    credit: availableAccount(CLAIMS[(from + by) % 3]!),
  }));
const net = fc.array(
  fc.oneof({ arbitrary: owed, weight: 9 }, move).map((m) => single({ ...m, purpose: 'net' })),
  { minLength: 1, maxLength: 6 },
);

/** A group, the same group once more, another credit line, or a group of which only the end counts. */
const step = fc.oneof(
  { arbitrary: fc.array(transfer, { minLength: 1, maxLength: 4 }), weight: 5 },
  { arbitrary: fc.constant('repeat' as const), weight: 2 },
  { arbitrary: fc.record({ claim: fc.constantFrom(...CLAIMS), overdraft: fc.bigInt(0n, 200n) }), weight: 2 },
  { arbitrary: fc.record({ net }), weight: 3 },
);

const sorted = (accounts: readonly Account[]) => [...accounts].sort((x, y) => (x.id < y.id ? -1 : 1));

/** A view of what another holds, as a store would load it between two batches. */
function reloaded(ledger: LedgerView, transfers: LedgerView[]): LedgerView {
  return new LedgerView({
    accounts: ledger.accounts(),
    transfers: transfers.flatMap((view) => view.changes().transfers),
  });
}

/** Said once more, since it is what everything rests on. */
function sumsByUnit(ledger: LedgerView): ReadonlyMap<Unit, bigint> {
  const sums = new Map<Unit, bigint>();
  for (const a of ledger.accounts()) sums.set(a.unit, (sums.get(a.unit) ?? 0n) + creditBalance(a));
  return sums;
}

describe('any sequence of groups', () => {
  it('has the same outcome however it is batched', () => {
    fc.assert(
      fc.property(
        groups,
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 30, maxLength: 30 }),
        (sequence, sizes) => {
          const atOnce = LedgerView.inMemory();
          const expected = atOnce.postGroups(sequence);
          const views: LedgerView[] = [LedgerView.inMemory()];
          const outcomes = [];
          for (let start = 0, batch = 0; start < sequence.length; start += sizes[batch++] ?? 1) {
            const view = reloaded(views.at(-1) ?? LedgerView.inMemory(), views);
            outcomes.push(...view.postGroups(sequence.slice(start, start + (sizes[batch] ?? 1))));
            views.push(view);
          }
          expect(outcomes).toEqual(expected);
          expect(sorted(views.at(-1)?.accounts() ?? [])).toEqual(sorted(atOnce.accounts()));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('exceeds no limit but by corrections, adds up to zero, and makes each transfer once', () => {
    fc.assert(
      fc.property(groups, (sequence) => {
        const ledger = LedgerView.inMemory();
        const created: string[] = [];
        const excused = new Set<AccountId>();
        for (const group of sequence) {
          const before = sorted(ledger.accounts());
          const result = ledger.post(group);
          ledger.assertZeroSum();
          expect([...sumsByUnit(ledger).values()].every((sum) => sum === 0n)).toBe(true);
          if (!result.ok) {
            expect(sorted(ledger.accounts())).toEqual(before);
            continue;
          }
          expect(result.value.map((posted) => posted.transferId)).toEqual(group.map((t) => t.id));
          for (const posted of result.value) {
            if (posted.outcome === 'created') created.push(posted.transferId);
            for (const id of posted.overdrawn) excused.add(id);
          }
          for (const a of ledger.accounts()) expect(!isOverdrawn(a) || excused.has(a.id)).toBe(true);
        }
        expect(new Set(created).size).toBe(created.length);
        expect(ledger.changes().transfers.map((t) => t.id)).toEqual(created);
      }),
      { numRuns: 300 },
    );
  });

  it('is told what adding everything up again says, at any repetition and credit line', () => {
    const told = (result: ReturnType<LedgerView['post']>): readonly Told[] =>
      result.ok ? result.value.map(({ outcome }) => outcome) : [result.error.kind];
    const count = { net: 0, refused: 0 };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const [ledger, model] = [LedgerView.inMemory(), new LedgerModel()];
        let last: readonly Transfer[] = [];
        for (const next of steps) {
          if (next !== 'repeat' && 'claim' in next) {
            ledger.setCreditLine(next.claim, next.overdraft);
            model.setCreditLine(availableAccount(next.claim), next.overdraft);
          } else if (next !== 'repeat' && 'net' in next) {
            const said = told(ledger.postNet(next.net));
            expect(said).toEqual(model.postNet(next.net));
            count.net += said.includes('created') ? 1 : 0;
            count.refused += said[0] === 'insufficient' ? 1 : 0;
          } else {
            if (next !== 'repeat') last = next;
            const checked = ledger.check(last);
            const said = told(ledger.post(last));
            expect(said).toEqual(model.post(last));
            expect(told(checked)).toEqual(said);
          }
          for (const id of [...ACCOUNTS, ...DOLLARS]) {
            expect(debitHeadroom(ledger.account(id))).toBe(model.headroom(id));
            expect(creditHeadroom(ledger.account(id))).toBe(model.creditHeadroom(id));
          }
        }
      }),
      { numRuns: 300 },
    );
    expect(Math.min(count.net, count.refused)).toBeGreaterThan(10);
  });

  it('has totals that its transfers explain', () => {
    fc.assert(
      fc.property(groups, (sequence) => {
        const ledger = LedgerView.inMemory();
        ledger.postGroups(sequence);
        const { transfers } = ledger.changes();
        for (const a of ledger.accounts()) {
          const posted = transfers.filter((t) => t.kind === 'single' || t.kind === 'post' || t.kind === 'correction');
          const open = transfers.filter((t) => t.kind === 'pending' && ledger.resolutionOf(t.id) === undefined);
          const sum = (list: typeof transfers, side: 'debit' | 'credit') =>
            list.filter((t) => t[side] === a.id).reduce((total, t) => total + t.amount, 0n);
          expect(a).toMatchObject({
            debitsPosted: sum(posted, 'debit'),
            creditsPosted: sum(posted, 'credit'),
            debitsPending: sum(open, 'debit'),
            creditsPending: sum(open, 'credit'),
          });
        }
      }),
      { numRuns: 200 },
    );
  });
});
