import { assert, type Instant, type Sats } from '@finality/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUCKETS_PER_WINDOW, type Limits, limitsAggregate, type LimitsEvent, roomAt, usedIn } from '../limits.ts';
import { approved, assessed, funded, given, lastOf, settlementOf, submitted } from '../spec/given.fixture.ts';
import { anyLimits, checkPaymentLimits, setLimits } from '../spec/limits.fixture.ts';
import { POLICY } from '../spec/memory-book.fixture.ts';
import { World } from '../spec/world.fixture.ts';
import type { Mode } from '../settlement.ts';
import { limitRefusal } from './limits.ts';

const HOUR = 3_600;
const DAY = 24 * HOUR;

const window = (seconds: number, maxSats: bigint, more: { mode?: Mode; countMax?: number } = {}): Limits => ({
  transactions: [],
  windows: [{ seconds, maxSats: maxSats as Sats, ...more }],
});
const limited =
  (limits: Limits, isOwn = false) =>
  (world: World): string | undefined =>
    setLimits(world, 'a', limits, isOwn);
const asked =
  (amountSats: bigint, mode: Mode = 'centralized', more: { readonly executeMs?: number } = {}) =>
  (world: World): string | undefined => {
    const told = world.told.length;
    const { executeMs } = more;
    world.submit(mode, 'a', 'b', amountSats, {
      ...(executeMs !== undefined && { executeAt: (world.book.now + executeMs) as Instant }),
    });
    return world.told[told]!.refused;
  };
const later = (seconds: number) => (world: World) =>
  void (world.book.now = (world.book.now + seconds * 1_000) as Instant);
const withdrawn = (how: 'cancel' | 'expire' | 'fall_due') => (world: World) => world.withdraw(lastOf(world), how);
const left = (world: World): readonly bigint[] => {
  const state = world.book.limits.get('a');
  assert(state.status === 'set', 'there are limits');
  return state.windows.map((use) => use.limit.maxSats - usedIn(use, world.book.now).sats);
};

describe('a limit per settlement', () => {
  const each: Limits = {
    transactions: [{ maxSats: 10_000n as Sats }, { mode: 'centralized', maxSats: 5_000n as Sats }],
    windows: [],
  };
  it.each([
    ['centralized', 5_001n],
    ['bilateral', 10_001n],
  ] as const)('refuses what is for more: %s, %s sat', (mode, amountSats) => {
    given(limited(each)).when(asked(amountSats, mode)).refused('LIMIT_EXCEEDED');
  });

  it('is the payer’s alone, and allows what it says', () => {
    const { world } = given(limited(each)).when(asked(5_000n), submitted('centralized', 20_000n, 'b', 'a'));
    expect(lastOf(world)).toBe('s-2');
  });
});

describe('a limit over a window', () => {
  it('counts what begins, whatever becomes of it later', () => {
    const world = given(limited(window(HOUR, 30_000n)), funded('a', 'clearing', 50_000n)).when(
      asked(20_000n),
      approved,
    ).world;
    expect(settlementOf(world).status).toBe('settled');
    expect(left(world)).toEqual([10_000n]);
    expect(asked(10_001n)(world)).toBe('LIMIT_EXCEEDED');
    expect(asked(10_000n)(world)).toBeUndefined();
    expect(asked(1n)(world)).toBe('LIMIT_EXCEEDED');
  });

  it('slides: what began longer ago than the window, and a 48th of it, counts no more', () => {
    const { world } = given(limited(window(HOUR, 30_000n))).when(asked(20_000n), later(HOUR / 2), asked(10_000n));
    later(HOUR / 2 - 1)(world);
    expect(asked(1n)(world)).toBe('LIMIT_EXCEEDED');
    later(1 + HOUR / BUCKETS_PER_WINDOW)(world);
    expect(asked(20_001n)(world)).toBe('LIMIT_EXCEEDED');
    expect(asked(20_000n)(world)).toBeUndefined();
  });

  it('says what is left, and when there is room again', () => {
    const { world } = given(limited(window(HOUR, 30_000n, { countMax: 9 }))).when(asked(20_000n));
    const counted = { mode: 'centralized', amountSats: 15_000n as Sats } as const;
    const refused = limitRefusal(world.book, 'a', counted)!;
    expect(refused).toMatchObject({ kind: 'failed_precondition', reason: 'LIMIT_EXCEEDED', retryable: true });
    expect(refused.details).toMatchObject({ limit: 'window of 3600 s', left_sats: '10000', left_count: '8' });
    const state = world.book.limits.get('a');
    assert(state.status === 'set', 'there are limits');
    const room = roomAt(state.windows[0]!, counted, world.book.now)!;
    expect(refused.details!['room_at']).toBe(`${Math.ceil(room / 1_000)}`);
    world.book.now = (room - 1) as Instant;
    expect(asked(15_000n)(world)).toBe('LIMIT_EXCEEDED');
    world.book.now = room;
    expect(asked(15_000n)(world)).toBeUndefined();
  });

  it('says that there is never room for more than it allows at all', () => {
    const { world } = given(limited(window(HOUR, 30_000n))).when(later(0));
    const refused = limitRefusal(world.book, 'a', { mode: 'bilateral', amountSats: 30_001n as Sats })!;
    expect(refused).toMatchObject({ retryable: false, details: { left_sats: '30000' } });
    expect(refused.details).not.toHaveProperty('room_at');
  });

  it('allows so many, where it says how many', () => {
    const { world } = given(limited(window(DAY, 30_000n, { countMax: 2 }))).when(asked(1n), asked(1n));
    expect(asked(1n)(world)).toBe('LIMIT_EXCEEDED');
  });

  it('is about one mode, where it names one', () => {
    const { world } = given(limited(window(DAY, 1_000n, { mode: 'bilateral' }))).when(asked(1_000n, 'bilateral'));
    expect(asked(330n, 'bilateral')(world)).toBe('LIMIT_EXCEEDED');
    expect(asked(20_000n)(world)).toBeUndefined();
    expect(asked(330n, 'blockchain')(world)).toBeUndefined();
  });

  it.each([
    ['is cancelled', withdrawn('cancel')],
    ['expires', withdrawn('expire')],
    ['is rejected', assessed('approve', 'reject')],
  ])('gives back what %s, once', (_how, ended) => {
    const { world } = given(limited(window(DAY, 20_000n))).when(asked(20_000n), later(HOUR), ended);
    expect(left(world)).toEqual([20_000n]);
    ended(world);
    expect(left(world)).toEqual([20_000n]);
  });

  it('doesn’t give back to a window what it has never counted', () => {
    const { world } = given().when(
      limited(window(DAY, 20_000n)),
      asked(20_000n),
      limited({ transactions: [], windows: [] }),
      limited(window(DAY, 20_000n)),
      submitted('centralized', 15_000n),
      (it) => it.withdraw('s-1', 'cancel'),
    );
    expect(left(world)).toEqual([5_000n]);
  });
});

it('what is learned of late counts as if it had been counted in time', () => {
  const window = { seconds: BUCKETS_PER_WINDOW, maxSats: 100n as Sats };
  const limits = { transactions: [], windows: [window] };
  const set = {
    type: 'limits_set',
    at: 0 as Instant,
    institutionId: 'a',
    version: 1,
    limits,
    by: 'o',
    reason: 'r',
  } as const;
  const used = [1_000, 5_000, 5_500, 9_000].map((at, i): LimitsEvent => {
    return {
      type: 'use_counted',
      at: at as Instant,
      settlementId: `s-${i}`,
      mode: 'bilateral',
      amountSats: BigInt(i + 1) as Sats,
    };
  });
  const after = (events: readonly LimitsEvent[]) =>
    events.reduce(limitsAggregate.evolve, limitsAggregate.evolve(limitsAggregate.initialState, set));
  const inTime = after(used);
  fc.assert(
    fc.property(fc.shuffledSubarray(used, { minLength: used.length }), (late) => {
      expect(after(late)).toEqual(inTime);
    }),
    { numRuns: 24 },
  );
});

describe('a settlement for later', () => {
  it('counts when it begins, and fails where there is no room then', () => {
    const { world } = given(limited(window(HOUR, 20_000n))).when(
      asked(15_000n, 'centralized', { executeMs: DAY * 1_000 }),
    );
    expect(left(world)).toEqual([20_000n]);
    later(DAY)(world);
    expect(asked(10_000n)(world)).toBeUndefined();
    world.withdraw('s-1', 'fall_due');
    expect(settlementOf(world, 's-1')).toMatchObject({ status: 'failed' });
    expect(settlementOf(world, 's-1').transitions.at(-1)!.reason).toContain('10000 sat');
    expect(left(world)).toEqual([10_000n]);
  });

  it('that could never begin is refused at once', () => {
    given(limited(window(HOUR, 20_000n)))
      .when(asked(20_001n, 'centralized', { executeMs: 1 }))
      .refused('LIMIT_EXCEEDED');
  });

  it('that never begins has used nothing', () => {
    const later = asked(15_000n, 'centralized', { executeMs: 1 });
    const { world } = given(limited(window(HOUR, 20_000n))).when(later, withdrawn('cancel'));
    expect(left(world)).toEqual([20_000n]);
  });
});

describe('new limits', () => {
  it('keep what was used of a window that stays, whatever it allows now', () => {
    const { world } = given(limited(window(DAY, 20_000n))).when(asked(15_000n), limited(window(DAY, 10_000n)));
    expect(asked(1n)(world)).toBe('LIMIT_EXCEEDED');
    expect(limited(window(DAY, 16_000n))(world)).toBeUndefined();
    expect(left(world)).toEqual([1_000n]);
    expect(world.book.limits.get('a')).toMatchObject({ version: 3 });
  });

  const present: Limits = {
    transactions: [{ maxSats: 9_000n as Sats }],
    windows: window(DAY, 20_000n, { countMax: 3 }).windows,
  };
  it.each([
    ['a wider window', { ...present, windows: window(DAY, 20_001n, { countMax: 3 }).windows }],
    ['another length', { ...present, windows: window(DAY - 1, 20_000n, { countMax: 3 }).windows }],
    ['more of them', { ...present, windows: window(DAY, 20_000n, { countMax: 4 }).windows }],
    ['any number of them', { ...present, windows: window(DAY, 20_000n).windows }],
    ['one mode only', { ...present, windows: window(DAY, 20_000n, { countMax: 3, mode: 'bilateral' }).windows }],
    ['no limit per settlement', { ...present, transactions: [] }],
  ])('are an operator’s to make wider: %s', (_what, wider) => {
    given(limited(present)).when(limited(wider, true)).refused('LIMITS_WIDENED');
    given(limited(present)).when(limited(wider)).then('payment_limits/a limits_set');
  });

  it('are the institution’s own to make tighter', () => {
    const windows = [...window(DAY, 1_000n, { countMax: 3 }).windows, ...window(HOUR, 500n).windows];
    given(limited(present))
      .when(limited({ ...present, windows }, true))
      .then('payment_limits/a limits_set');
    given().when(limited(present, true)).then('payment_limits/a limits_set');
  });

  it('of nobody are refused', () => {
    given()
      .when((world) => setLimits(world, 'nobody', present))
      .refused('UNKNOWN_INSTITUTION');
  });
});

it('no limit is ever exceeded, whatever is paid, ended or set in whatever order and at whatever time', () => {
  const number = fc.integer({ min: 0, max: 0xffff });
  const step = fc.record({ kind: fc.integer({ min: 0, max: 9 }), a: number, b: number });
  const run = (steps: readonly { kind: number; a: number; b: number }[]): void => {
    const world = new World(POLICY);
    setLimits(world, 'a', anyLimits(steps[0]!.a | 1, steps[0]!.b));
    for (const { kind, a, b } of steps) {
      const ids = world.book.settlements.ids();
      if (kind < 5) asked(BigInt(330 + (a % 40_000)), (['centralized', 'bilateral'] as const)[b % 2]!)(world);
      else if (kind < 6) asked(BigInt(1 + (a % 40_000)), 'centralized', { executeMs: 1 + b })(world);
      else if (kind < 7 && ids.length > 0)
        world.withdraw(ids[a % ids.length]!, (['cancel', 'fall_due', 'expire'] as const)[b % 3]!);
      else if (kind < 9) later([0, 1, 70, 1_800, 43_000][a % 5]! + (b % 3) / 1_000)(world);
      else setLimits(world, 'a', anyLimits(a, b));
    }
    checkPaymentLimits(world.book);
    for (const { windows } of [world.book.limits.get('a')].filter((state) => state.status === 'set'))
      for (const { buckets } of windows) expect(buckets.length).toBeLessThanOrEqual(BUCKETS_PER_WINDOW + 2);
  };
  fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), run), { numRuns: 60, seed: 7 });
});
