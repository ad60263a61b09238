import type { Instant } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import {
  approved,
  assigned,
  balance,
  CLEARING_A,
  funded,
  given,
  lastOf,
  lineageOf,
  settlementOf,
} from '../spec/given.fixture.ts';
import type { Mode } from '../settlement.ts';
import type { World } from '../spec/world.fixture.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** So many ms from now; with the reason of a refusal as its answer. */
const submitted =
  (times: { readonly executeMs?: number; readonly expiresMs?: number }, mode: Mode = 'centralized') =>
  (world: World): string | undefined => {
    const at = (ms: number | undefined): Instant => (world.book.now + (ms ?? 0)) as Instant;
    const told = world.told.length;
    world.submit(mode, 'a', 'b', 20_000n, {
      ...(times.executeMs !== undefined && { executeAt: at(times.executeMs) }),
      ...(times.expiresMs !== undefined && { expiresAt: at(times.expiresMs) }),
    });
    return world.told[told]!.refused;
  };
const later = (ms: number) => (world: World) => void (world.book.now = (world.book.now + ms) as Instant);
const fallenDue = (world: World) => world.withdraw(lastOf(world), 'fall_due');
const expired = (world: World) => world.withdraw(lastOf(world), 'expire');
const cancelled = (world: World) => world.withdraw(lastOf(world), 'cancel');
const timerOf = (world: World) => world.book.timers.get(lastOf(world));

describe('a settlement for later', () => {
  it('waits for its time, and nothing is screened or reserved until then', () => {
    const world = given(funded('a', 'clearing', 50_000n))
      .when(submitted({ executeMs: DAY_MS }), approved)
      .then('s-1 settlement_received', 's-1 settlement_scheduled');
    expect(settlementOf(world).status).toBe('scheduled');
    expect(timerOf(world)).toBe(world.book.now + DAY_MS);
    expect(balance(world, CLEARING_A)).toEqual({ available: 50_000n });
  });

  it.each(['centralized', 'bilateral'] as const)(
    'is screened when it falls due, and then paid as any other (%s)',
    (mode) => {
      const world = given(
        funded('a', 'clearing', 50_000n),
        funded('a', 'wallet', 50_000n),
        submitted({ executeMs: DAY_MS }, mode),
      )
        .when(later(DAY_MS), fallenDue)
        .then('s-1 screening_requested');
      expect(timerOf(world)).toBe(world.book.now + world.book.policy.expiryMs);
      expect(settlementOf(world).sources).toHaveLength(mode === 'centralized' ? 0 : 1);
      approved(world);
      expect(settlementOf(world).status).toBe(mode === 'centralized' ? 'settled' : 'reserved');
    },
  );

  it('can be cancelled, and doesn’t begin then', () => {
    const { world } = given(submitted({ executeMs: DAY_MS })).when(cancelled, fallenDue);
    expect(settlementOf(world).status).toBe('cancelled');
    expect(timerOf(world)).toBeUndefined();
  });

  it('fails if a party has been frozen by then', () => {
    const frozen = (world: World) =>
      world.tell({ type: 'freeze_institution', institutionId: 'b', reason: 'court order' });
    const world = given(submitted({ executeMs: DAY_MS }), frozen)
      .when(fallenDue)
      .then('s-1 settlement_failed');
    expect(settlementOf(world).transitions.at(-1)?.reason).toBe('b is frozen: court order');
  });

  it('is too late when it falls due after it had to be paid', () => {
    given(submitted({ executeMs: DAY_MS, expiresMs: 2 * DAY_MS }), later(3 * DAY_MS))
      .when(fallenDue)
      .then('s-1 settlement_expired');
  });

  it('falls due once', () => {
    given(submitted({ executeMs: DAY_MS }), fallenDue)
      .when(fallenDue)
      .then();
    given(submitted({})).when(fallenDue).then();
  });
});

describe('a settlement that says by when', () => {
  it('expires then, if it isn’t being paid', () => {
    const world = given(submitted({ expiresMs: HOUR_MS }))
      .when(expired)
      .then('s-1 settlement_expired');
    expect(timerOf(world)).toBe(world.book.now + HOUR_MS);
    expect(settlementOf(world).transitions.at(-1)?.reason).toBe('not executed by its expires_at');
    const queued = given(submitted({ expiresMs: HOUR_MS }), approved).when(expired).world;
    expect(settlementOf(queued).status).toBe('expired');
    const reserved = given(funded('a', 'wallet', 50_000n), submitted({ expiresMs: HOUR_MS }, 'bilateral'), approved);
    expect(lineageOf(reserved.when(expired).world).status).toBe('abandoned');
  });

  it('never does once a transaction was offered for signature', () => {
    const offered = given(
      funded('a', 'wallet', 50_000n),
      submitted({ expiresMs: HOUR_MS }, 'bilateral'),
      approved,
      assigned,
    );
    expect(settlementOf(offered.when(expired).then()).status).toBe('executing');
  });

  it('may do so long after it has begun', () => {
    const world = given(submitted({ executeMs: DAY_MS, expiresMs: 40 * DAY_MS })).when(later(DAY_MS), fallenDue).world;
    expect(timerOf(world)).toBe(world.book.now + 39 * DAY_MS);
  });
});

it.each([
  ['execute_at now', { executeMs: 0 }],
  ['execute_at in the past', { executeMs: -1 }],
  ['execute_at in more than a year', { executeMs: 366 * DAY_MS + 1 }],
  ['expires_at now', { expiresMs: 0 }],
  ['expires_at with execute_at', { executeMs: DAY_MS, expiresMs: DAY_MS }],
  ['expires_at in more than 90 days', { expiresMs: 90 * DAY_MS + 1 }],
])('%s is refused', (_what, times) => {
  given().when(submitted(times)).refused('INVALID_ARGUMENT');
});
