import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CapRoom, type QueuedPayment, resolveGridlock } from './gridlock.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];

interface Case {
  readonly lines: readonly (readonly QueuedPayment[])[];
  readonly headroom: ReadonlyMap<string, bigint>;
  readonly capRoom: CapRoom;
}

const WINDOWS = ['w-1', 'w-2'];

/** Of so many institutions at most, which have little and owe each other much; now and then one is past its limit already. */
function cases(institutions: number, payments: number): fc.Arbitrary<Case> {
  const names = NAMES.slice(0, institutions);
  const index = fc.integer({ min: 0, max: institutions - 1 });
  const payment = fc.record({
    from: index,
    by: fc.integer({ min: 1, max: institutions - 1 }),
    sats: fc.bigInt(1n, 9n),
    window: fc.constantFrom(...WINDOWS),
  });
  const room = fc.option(fc.array(fc.bigInt(-3n, 20n), { minLength: 2, maxLength: 2 }), { nil: undefined });
  const rooms = fc.array(room, { minLength: institutions, maxLength: institutions });
  const own = fc.array(fc.bigInt(-3n, 6n), { minLength: institutions, maxLength: institutions });
  return fc
    .record({ payments: fc.array(payment, { maxLength: payments }), own, rooms })
    .map(({ payments: list, own: sats, rooms: left }) => {
      const queued = list.map(({ from, by, sats: amount, window: windowId }, i) => ({
        settlementId: `s-${i}`,
        from: names[from]!,
        to: names[(from + by) % institutions]!,
        amount,
        windowId,
      }));
      const lines = names.map((name) => queued.filter(({ from }) => from === name)).filter(({ length }) => length > 0);
      const capped = names.flatMap((name, i) => {
        const own = left[i];
        return own === undefined ? [] : [[name, new Map(WINDOWS.map((id, w) => [id, own[w]!]))] as const];
      });
      return { lines, headroom: new Map(names.map((name, i) => [name, sats[i]!])), capRoom: new Map(capped) };
    });
}

/** What each has left when these are settled. */
function after(set: readonly QueuedPayment[], headroom: Case['headroom']): Map<string, bigint> {
  const left = new Map(headroom);
  for (const { from, to, amount } of set) {
    left.set(from, left.get(from)! - amount);
    left.set(to, (left.get(to) ?? 0n) + amount);
  }
  return left;
}

/** Nobody is past what it can pay, or, in a window into which it pays something, past its cap. */
const isFeasible = (set: readonly QueuedPayment[], { headroom, capRoom }: Omit<Case, 'lines'>): boolean => {
  const left = after(set, headroom);
  return set.every(({ from, windowId }) => {
    const room = capRoom.get(from)?.get(windowId!);
    const inWindow = set.filter((each) => each.windowId === windowId);
    const change = (of: 'from' | 'to'): bigint =>
      inWindow.reduce((sum, each) => sum + (each[of] === from ? each.amount : 0n), 0n);
    return left.get(from)! >= 0n && (room === undefined || room + change('to') - change('from') >= 0n);
  });
};

/** Every set that has the first so many of each line. */
function* prefixes(lines: Case['lines']): Generator<readonly QueuedPayment[]> {
  const [line, ...others] = lines;
  if (line === undefined) return yield [];
  for (const rest of prefixes(others)) for (let n = 0; n <= line.length; n++) yield [...line.slice(0, n), ...rest];
}

const idsOf = (set: readonly QueuedPayment[]): string[] => set.map(({ settlementId }) => settlementId).sort();

describe('what is settled of a gridlock', () => {
  it('leaves no payer past its limit or its cap on a window, and of each line takes the first so many', () => {
    fc.assert(
      fc.property(cases(6, 40), ({ lines, ...limits }) => {
        const set = resolveGridlock(lines, limits.headroom, limits.capRoom);
        expect(isFeasible(set, limits)).toBe(true);
        for (const line of lines) {
          const taken = line.map((payment) => set.includes(payment));
          expect(taken.lastIndexOf(true) + 1).toBe(taken.filter(Boolean).length);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('contains every such set', () => {
    let settled = 0;
    fc.assert(
      fc.property(cases(4, 8), ({ lines, ...limits }) => {
        const set = resolveGridlock(lines, limits.headroom, limits.capRoom);
        settled += set.length > 0 ? 1 : 0;
        for (const other of prefixes(lines)) {
          if (isFeasible(other, limits)) for (const payment of other) expect(set).toContain(payment);
        }
      }),
      { numRuns: 300 },
    );
    expect(settled).toBeGreaterThan(50);
  });

  it('is the same in whatever order payers are looked at', () => {
    fc.assert(
      fc.property(
        cases(6, 40),
        fc.infiniteStream(fc.integer({ min: 0, max: 99 })),
        ({ lines, headroom, capRoom }, keys) => {
          const shuffled = lines
            .map((line) => ({ line, key: keys.next().value as number }))
            .sort((x, y) => x.key - y.key)
            .map(({ line }) => line);
          expect(idsOf(resolveGridlock(shuffled, headroom, capRoom))).toEqual(
            idsOf(resolveGridlock(lines, headroom, capRoom)),
          );
        },
      ),
      { numRuns: 200 },
    );
  });
});
