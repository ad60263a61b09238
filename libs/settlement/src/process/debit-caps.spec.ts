import { sats } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { capKey, DEBIT_CAPS_MAX } from '../debit-cap.ts';
import { lineIn } from '../queue.ts';
import { living, type Settlement, type SettlementEvent } from '../settlement.ts';
import { approved, funded, given, givenUnder, settlementOf, submitted } from '../spec/given.fixture.ts';
import { POLICY } from '../spec/memory-book.fixture.ts';
import { agreeNetting, closeWindow, openWindow } from '../spec/netting-actions.fixture.ts';
import { World } from '../spec/world.fixture.ts';
import { windowBetween } from '../window.ts';

const RICH = ['a', 'b', 'c'].map((id) => funded(id, 'clearing', 90_000n));
const FUNDED = [...RICH, openWindow];
const pay = (amountSats: bigint, from = 'a', to = 'b') => [submitted('centralized', amountSats, from, to), approved];
const cap =
  (most: bigint | undefined, institutionId = 'a', isOwn = false) =>
  (world: World): string | undefined =>
    world.tell({
      type: 'set_debit_cap',
      request: {
        institutionId,
        unit: BTC,
        isOwn,
        reason: 'agreed',
        by: 'k',
        ...(!isOwn && { confirmedBy: 'o' }),
        ...(most !== undefined && { cap: most }),
      },
    });
const retried =
  (settlementId: string) =>
  (world: World): string | undefined =>
    world.tell({ type: 'retry_reservation', settlementId });
const rolled = (world: World): string | undefined =>
  closeWindow(world, world.book.netting.get().multilateral!.windowId);
const statusOf = (world: World, settlementId: string): string => settlementOf(world, settlementId).status;
const waits = (state: Settlement): string | undefined => (state.status === 'queued' ? state.waitsFor : undefined);

describe('a cap on what an institution may owe in a window', () => {
  it('is paid up to exactly, whatever its balance; what would exceed it waits in its line, with its reason', () => {
    const { world } = given(...FUNDED, cap(30_000n), ...pay(30_000n)).when(...pay(1n));
    expect(statusOf(world, 's-1')).toBe('settled');
    expect(waits(settlementOf(world, 's-2'))).toBe('WINDOW_DEBIT_CAP');
    expect(settlementOf(world, 's-2').transitions.at(-1)?.reason).toMatch(/expected 1 sat, 0 sat left$/);
    // A line is a line.
    const later = given(...FUNDED, cap(30_000n), ...pay(20_000n), ...pay(20_000n)).when(...pay(5_000n)).world;
    expect(waits(settlementOf(later, 's-3'))).toBe('INSUFFICIENT_LIQUIDITY');
  });

  it('has room again for what comes in, and in the next window', () => {
    const full = [...FUNDED, cap(30_000n), ...pay(30_000n), ...pay(10_000n)];
    given(...full)
      .when(retried('s-2'))
      .then();
    const paid = given(...full, ...pay(10_000n, 'b', 'a')).when(retried('s-2')).world;
    expect(statusOf(paid, 's-2')).toBe('settled');
    expect(statusOf(given(...full, rolled).when(retried('s-2')).world, 's-2')).toBe('settled');
    expect(statusOf(given(...full, cap(undefined)).when(retried('s-2')).world, 's-2')).toBe('settled');
  });

  it('counts in each window by itself: a pair’s own doesn’t use up that of all', () => {
    const paired = [(world: World) => agreeNetting(world, 'a', 'b'), (world: World) => agreeNetting(world, 'b', 'a')];
    const { world } = given(...FUNDED, cap(30_000n), ...paired, ...pay(30_000n)).when(...pay(30_000n, 'a', 'c'));
    expect([statusOf(world, 's-1'), statusOf(world, 's-2')]).toEqual(['settled', 'settled']);
    const more = given(...FUNDED, cap(30_000n), ...paired, ...pay(30_000n)).when(...pay(1n)).world;
    expect(waits(settlementOf(more, 's-2'))).toBe('WINDOW_DEBIT_CAP');
  });

  it('is the platform’s for who has none of its own; without a window there is nothing to count in', () => {
    const everybody = { ...POLICY, debitCapSats: sats(10_000n) };
    expect(waits(settlementOf(givenUnder(everybody, ...FUNDED).when(...pay(10_001n)).world))).toBe('WINDOW_DEBIT_CAP');
    const own = givenUnder(everybody, ...FUNDED, cap(20_000n)).when(...pay(20_000n)).world;
    expect(settlementOf(own).status).toBe('settled');
    expect(settlementOf(givenUnder(everybody, ...RICH).when(...pay(50_000n)).world).status).toBe('settled');
  });

  it('of 0 lets nobody be paid before something has come in', () => {
    const { world } = given(...FUNDED, cap(0n)).when(...pay(1n), ...pay(2n, 'b', 'a'), retried('s-1'));
    expect(statusOf(world, 's-1')).toBe('settled');
  });

  it('below what is owed already moves nothing, and stops what would owe more', () => {
    const { world } = given(...FUNDED, ...pay(30_000n), cap(10_000n)).when(...pay(1n), ...pay(20_000n, 'b', 'a'));
    expect([statusOf(world, 's-1'), waits(settlementOf(world, 's-2'))]).toEqual(['settled', 'WINDOW_DEBIT_CAP']);
    given(...FUNDED, ...pay(30_000n), cap(10_000n), ...pay(1n), ...pay(20_000n, 'b', 'a'))
      .when(retried('s-2'))
      .then();
  });

  it('is lowered by the institution itself, and raised by an operator', () => {
    const capOf = (world: World): bigint | undefined => world.book.netting.get().caps[capKey('a', BTC)];
    expect(capOf(given(...FUNDED, cap(30_000n)).when(cap(20_000n, 'a', true)).world)).toBe(20_000n);
    expect(capOf(given(...FUNDED).when(cap(20_000n, 'a', true)).world)).toBe(20_000n);
    given(...FUNDED, cap(30_000n))
      .when(cap(30_001n, 'a', true))
      .refused('DEBIT_CAP_RAISED');
    given(...FUNDED, cap(30_000n))
      .when(cap(undefined, 'a', true))
      .refused('DEBIT_CAP_RAISED');
    givenUnder({ ...POLICY, debitCapSats: sats(10n) }, ...FUNDED)
      .when(cap(11n, 'a', true))
      .refused('DEBIT_CAP_RAISED');
    expect(capOf(given(...FUNDED, cap(30_000n)).when(cap(undefined)).world)).toBeUndefined();
    given(...FUNDED)
      .when(cap(1n, 'nobody'))
      .refused('UNKNOWN_INSTITUTION');
  });

  it('is of so many institutions at most', () => {
    const world = new World(POLICY);
    expect(cap(1n, 'b')(world)).toBeUndefined();
    const { netting, now: at } = world.book;
    const others = Array.from({ length: DEBIT_CAPS_MAX - 1 }, (_, i) => `i-${i}`);
    for (const institutionId of others)
      netting.record({ type: 'debit_cap_set', at, institutionId, unit: BTC, cap: 1n, by: 'k', reason: 'agreed' });
    expect(cap(1n)(world)).toBe('TOO_MANY_DEBIT_CAPS');
    expect(cap(2n, 'b')(world)).toBeUndefined();
  });
});

describe('what is settled together', () => {
  const gridlock = (settlementIds: readonly string[]) => (world: World) =>
    world.tell({ type: 'resolve_gridlock', request: { gridlockId: 'g', settlementIds } });
  const queued = [...FUNDED, cap(0n, 'a'), cap(0n, 'b'), ...pay(70_000n), ...pay(69_000n, 'b', 'a')];

  it('leaves nobody past its cap, or isn’t settled', () => {
    given(...queued)
      .when(gridlock(['s-1', 's-2']))
      .then();
    const even = given(...queued, cap(1_000n, 'a')).when(gridlock(['s-1', 's-2'])).world;
    expect([statusOf(even, 's-1'), statusOf(even, 's-2')]).toEqual(['settled', 'settled']);
  });
});

/** Net, by window and institution, as the log has it up to there; of those that settle at once only what all of them come to. */
function* netsIn(world: World): Generator<ReadonlyMap<string, bigint>> {
  const nets = new Map<string, bigint>();
  const { log, settlements } = world.book;
  for (const [i, { stream, event }] of log.entries()) {
    if (event.type !== 'settlement_settled') continue;
    const { windowId, gridlockId } = event as Extract<SettlementEvent, { type: 'settlement_settled' }>;
    if (windowId === undefined) continue;
    const { from, to, amountSats } = living(settlements.get(stream.slice('settlement/'.length))).terms;
    for (const [id, by] of [
      [from, -amountSats],
      [to, amountSats],
    ] as const)
      nets.set(`${windowId} ${id}`, (nets.get(`${windowId} ${id}`) ?? 0n) + by);
    const next = log.slice(i + 1).find(({ event: later }) => later.type === 'settlement_settled')?.event;
    const isInside =
      gridlockId !== undefined && next !== undefined && 'gridlockId' in next && next.gridlockId === gridlockId;
    if (!isInside) yield nets;
  }
}

describe('in any history', () => {
  const index = fc.integer({ min: 0, max: 2 });
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('pay'),
        from: index,
        by: fc.integer({ min: 1, max: 2 }),
        sats: fc.bigInt(1n, 9_000n),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('retry'), at: fc.nat(40) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('roll') }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('pair'), from: index, by: fc.integer({ min: 1, max: 2 }) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('gridlock') }) },
  );
  const NAMES = ['a', 'b', 'c'];

  function take(world: World, it: typeof step extends fc.Arbitrary<infer T> ? T : never): void {
    const queued = (): string[] =>
      world.book.settlements.ids().filter((id) => world.book.settlements.get(id).status === 'queued');
    if ('sats' in it) {
      submitted('centralized', it.sats, NAMES[it.from]!, NAMES[(it.from + it.by) % 3]!)(world);
      approved(world);
      return;
    }
    if ('at' in it) return queued().length === 0 ? undefined : void retried(queued()[it.at % queued().length]!)(world);
    if ('by' in it) {
      const [a, b] = [NAMES[it.from]!, NAMES[(it.from + it.by) % 3]!];
      agreeNetting(world, a, b);
      return void agreeNetting(world, b, a);
    }
    if (it.kind === 'roll') return void rolled(world);
    world.tell({
      type: 'resolve_gridlock',
      request: { gridlockId: `g-${world.told.length}`, settlementIds: queued() },
    });
  }

  it('no prefix of a window owes more than its cap, and what waits for it alone is settled once it may', () => {
    let capped = 0;
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 10, maxLength: 40 }),
        fc.array(fc.bigInt(0n, 20_000n), { minLength: 2, maxLength: 2 }),
        (steps, caps) => {
          const world = new World({ ...POLICY, debitCapSats: sats(15_000n) });
          for (const one of FUNDED) one(world);
          for (const [i, sum] of caps.entries()) cap(sum, NAMES[i])(world);
          for (const one of steps) take(world, one);
          const limits = [...caps, 15_000n];
          for (const nets of netsIn(world))
            for (const [key, net] of nets)
              expect(net + limits[NAMES.indexOf(key.split(' ')[1]!)]!).toBeGreaterThanOrEqual(0n);
          capped += world.book.settlements.all().filter((state) => waits(state) === 'WINDOW_DEBIT_CAP').length;
          for (const [i, payer] of NAMES.entries()) {
            const [first] = world.book.queues.of(lineIn(payer));
            if (first === undefined) continue;
            const { to, amountSats, payer: claim } = settlementOf(world, first).terms;
            const { windowId } = windowBetween(world.book.netting.get(), payer, to)!;
            const roomSats = limits[i]! + world.book.capped.netOf({ windowId, institutionId: payer, unit: BTC });
            const isPayable = amountSats <= roomSats && amountSats <= world.book.ledger.spendable(claim);
            retried(first)(world);
            expect(statusOf(world, first)).toBe(isPayable ? 'settled' : 'queued');
          }
        },
      ),
      { numRuns: 25 },
    );
    expect(capped).toBeGreaterThan(10);
  });
});
