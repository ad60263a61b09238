import { type Instant, sats } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { usedIn } from '../limits.ts';
import type { SignedApproval } from '../settlement-life.ts';
import { living } from '../settlement.ts';
import { apply } from '../spec/commands.fixture.ts';
import { approved, funded, given, lastOf, mined, paying, signed, submitted } from '../spec/given.fixture.ts';
import type { MemoryBook } from '../spec/memory-book.fixture.ts';
import { restored } from '../spec/restore.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

const DAY_SECONDS = 86_400;
const limited = (world: World): string | undefined =>
  world.tell({
    type: 'set_limits',
    request: {
      institutionId: 'a',
      limits: { transactions: [], windows: [{ seconds: DAY_SECONDS, maxSats: sats(50_000n) }] },
      reason: 'agreed',
      by: 'o',
      isOwn: false,
    },
  });
const tiered = (world: World): string | undefined =>
  world.tell({
    type: 'set_approval_policy',
    request: {
      institutionId: 'a',
      tiers: [{ aboveSats: sats(10_000n), approvals: 2, areSigned: true }],
      isOwn: false,
      reason: 'agreed',
      by: 'o',
    },
  });
const approvalOf = (name: string): SignedApproval => ({
  signatory: `address of ${name}`,
  nonce: `${name}-1`,
  validUntil: 1_800_000_000_000 as Instant,
  signature: 'signed',
});
const reviewOf = (settlementId: string, name: string) =>
  ({
    type: 'review',
    review: {
      settlementId,
      decision: 'approve',
      reason: 'fine',
      reviewer: `key of ${name}`,
      institutionId: 'a',
      signed: approvalOf(name),
    },
  }) as const;
const approves = (name: string) => (world: World) => world.tell(reviewOf(lastOf(world), name));

const usedBy = (book: MemoryBook): bigint => {
  const state = book.limits.get('a');
  return state.status === 'none' ? 0n : usedIn(state.windows[0]!, book.now).sats;
};
const differencesOf = (book: MemoryBook): readonly unknown[] =>
  book.log.flatMap(({ event }) => ('difference' in event ? [event.difference] : []));

describe('what was paid after the copy was made', () => {
  const MONEY = [funded('a', 'wallet', 90_000n), funded('a', 'clearing', 90_000n), limited];

  it('counts against its payer’s limits, and the operator is told whose miss what left no trace', () => {
    const { world } = given(...MONEY).when();
    const copy = world.told.length;
    for (const step of [submitted('bilateral', 20_000n), ...paying, mined(3)]) step(world);
    for (const step of [submitted('centralized', 7_000n), approved]) step(world);
    expect(usedBy(world.book)).toBe(27_000n);
    const book = restored(world, copy);
    expect(usedBy(book)).toBe(20_000n);
    expect(living(book.settlements.get('s-1')).counted).toEqual({ at: expect.any(Number) as number, version: 1 });
    expect(differencesOf(book)).toMatchObject([{ subject: 'a' }]);
    const more = { ...living(world.book.settlements.get('s-2')).terms, settlementId: 's-9', amountSats: sats(30_001n) };
    const { payer: _payer, payee: _payee, fees: _fees, policyVersion: _version, ...asked } = more;
    expect(apply(book, { type: 'submit', submission: { ...asked, feeBearer: 'payer' } })).toBe('LIMIT_EXCEEDED');
  });

  it('counts once: what the copy knows as begun has been counted', () => {
    const { world } = given(...MONEY, submitted('bilateral', 20_000n)).when();
    const copy = world.told.length;
    for (const step of paying) step(world);
    expect(usedBy(restored(world, copy))).toBe(20_000n);
  });

  it('had begun by then: a settlement that the copy has as scheduled counts from its time on', () => {
    const { world } = given(...MONEY).when();
    const executeAt = (world.book.now + 60_000) as Instant;
    world.submit('bilateral', 'a', 'b', 20_000n, { executeAt });
    const copy = world.told.length;
    world.book.now = executeAt;
    world.tell({ type: 'fall_due', settlementId: lastOf(world) });
    for (const step of paying) step(world);
    const book = restored(world, copy);
    expect(living(book.settlements.get('s-1')).counted).toEqual({ at: executeAt, version: 1 });
    expect(usedBy(book)).toBe(20_000n);
  });
});

describe('signed approvals that were given after the copy was made', () => {
  const MONEY = [funded('a', 'wallet', 90_000n), tiered];
  const AWAITED = [...MONEY, submitted('bilateral', 20_000n), approved];
  const paid = [approves('ann'), approves('bob'), signed];
  const signatoriesIn = (book: MemoryBook): readonly (string | undefined)[] =>
    (living(book.settlements.get('s-1')).approvals?.given ?? []).map((each) => each.signed?.signatory);

  it.each<[string, readonly ((world: World) => unknown)[]]>([
    ['the settlement isn’t known', MONEY],
    ['it waits for them', AWAITED],
    ['it has one of them', [...AWAITED, approves('ann')]],
  ])('are had from the signer’s journal, where %s: shown again they are refused', (_what, known) => {
    const all = [...AWAITED, ...paid];
    const { world } = given(...known).when();
    const copy = world.told.length;
    for (const step of all.slice(known.length)) step(world);
    expect(signatoriesIn(world.book)).toHaveLength(2);
    const book = restored(world, copy);
    expect(book.settlements.get('s-1').status).toBe('executing');
    expect(signatoriesIn(book)).toEqual(['address of ann', 'address of bob']);
    expect(apply(book, reviewOf('s-1', 'ann'))).toBe('NOT_UNDER_REVIEW');
  });
});
