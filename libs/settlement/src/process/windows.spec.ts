import { BTC } from '@finality/ledger';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { netOf, PositionBook, totalsOf } from '../positions.ts';
import { USD } from '../spec/exchange.fixture.ts';
import { approved, CLEARING_A, balance, funded, given, settlementOf, submitted } from '../spec/given.fixture.ts';
import { agreeNetting, closeWindow, endNetting, openWindow } from '../spec/netting-actions.fixture.ts';
import type { World } from '../spec/world.fixture.ts';
import type { NettingWindow, Position } from '../window.ts';
import { NETTING_PAIRS_MAX } from './windows.ts';

const paid = (amountSats: bigint, from = 'a', to = 'b') => [submitted('centralized', amountSats, from, to), approved];
const windows = (world: World): NettingWindow[] =>
  [...new Set(world.book.log.map(({ stream }) => stream).filter((stream) => stream.startsWith('window/')))].map(
    (stream) => world.book.windows.get(stream.slice('window/'.length)),
  );
const windowOf = (world: World, settlementId: string): string | undefined => {
  const settlement = settlementOf(world, settlementId);
  return settlement.status === 'settled' ? settlement.windowId : undefined;
};
const closed = (world: World): string | undefined =>
  closeWindow(world, world.book.netting.get().multilateral!.windowId);
const agreed = (world: World): void => {
  agreeNetting(world, 'a', 'b');
  agreeNetting(world, 'b', 'a');
};
const idOf = (window: NettingWindow | undefined): string =>
  window === undefined || window.status === 'none' ? '' : window.windowId;

const FUNDED = [funded('a', 'clearing', 20_000n), funded('b', 'clearing', 20_000n)];

describe('a window', () => {
  it('has none of what is settled before the first one opens', () => {
    const { world } = given(...FUNDED).when(...paid(1_000n));
    expect(settlementOf(world).status).toBe('settled');
    expect(windowOf(world, 's-1')).toBeUndefined();
    given(...FUNDED, openWindow)
      .when(openWindow)
      .refused('WINDOW_OPEN');
  });

  it('has what settles until it closes, and the next one what comes then', () => {
    const { world } = given(...FUNDED, openWindow).when(...paid(1_000n), ...paid(400n, 'b', 'a'), closed, ...paid(5n));
    const [first, second] = windows(world);
    expect(first).toMatchObject({
      status: 'settled',
      by: 'operator',
      totals: [{ unit: BTC, participants: 2, settlements: 2, gross: 1_400n, net: 600n }],
    });
    expect(second).toMatchObject({ status: 'open', scope: { kind: 'multilateral' } });
    expect(['s-1', 's-2', 's-3'].map((id) => windowOf(world, id))).toEqual([idOf(first), idOf(first), idOf(second)]);
    expect(world.book.positions.of(idOf(first)).map((position) => [position.institutionId, netOf(position)])).toEqual([
      ['a', -600n],
      ['b', 600n],
    ]);
    // Netting moves nothing: what has settled is final.
    expect(balance(world, CLEARING_A)).toEqual({ available: 20_000n - 1_000n + 400n - 5n });
  });

  it('is decided when a settlement settles, not when it was asked for', () => {
    const { world } = given(...FUNDED, openWindow, submitted('centralized', 1_000n)).when(closed, approved);
    expect(windowOf(world, 's-1')).toBe(idOf(windows(world)[1]));
  });

  it('closes once, and only if there is one', () => {
    given(...FUNDED, openWindow, closed)
      .when((world: World) => closeWindow(world, idOf(windows(world)[0])))
      .refused('WINDOW_NOT_OPEN');
    given(...FUNDED, openWindow)
      .when((world: World) => closeWindow(world, 'nowhere'))
      .refused('UNKNOWN_WINDOW');
  });
});

describe('a pair', () => {
  it('nets apart from when both have said so, until one has enough of it', () => {
    const first = given(...FUNDED, openWindow).when((world: World) => agreeNetting(world, 'a', 'b'), ...paid(1n));
    expect(windowOf(first.world, 's-1')).toBe(idOf(windows(first.world)[0]));
    const { world } = given(...FUNDED, openWindow, agreed).when(
      ...paid(1_000n),
      ...paid(10n, 'a', 'c'),
      (one: World) => closeWindow(one, idOf(windows(one)[1])),
      ...paid(20n),
      (one: World) => endNetting(one, 'b', 'a'),
      ...paid(30n),
    );
    const [all, pair, next] = windows(world);
    expect(pair).toMatchObject({ status: 'settled', scope: { kind: 'bilateral', institutions: ['a', 'b'] } });
    expect(next).toMatchObject({ status: 'settled', by: 'b', totals: [{ settlements: 1, gross: 20n }] });
    expect(['s-1', 's-2', 's-3', 's-4'].map((id) => windowOf(world, id))).toEqual([pair, all, next, all].map(idOf));
  });

  it('nets apart without a multilateral window, too', () => {
    const { world } = given(...FUNDED, agreed).when(...paid(1_000n), ...paid(10n, 'a', 'c'));
    expect([windowOf(world, 's-1'), windowOf(world, 's-2')]).toEqual([idOf(windows(world)[0]), undefined]);
  });

  it('says it once, and of institutions that may', () => {
    given(...FUNDED, agreed)
      .when((world: World) => agreeNetting(world, 'a', 'b'))
      .then();
    given(...FUNDED)
      .when((world: World) => agreeNetting(world, 'a', 'nobody'))
      .refused('UNKNOWN_INSTITUTION');
    given(...FUNDED, (world: World) =>
      world.tell({ type: 'freeze_institution', institutionId: 'b', reason: 'because' }),
    )
      .when((world: World) => agreeNetting(world, 'a', 'b'))
      .refused('INSTITUTION_FROZEN');
    given(...FUNDED)
      .when((world: World) => endNetting(world, 'a', 'b'))
      .refused('UNKNOWN_PAIR');
  });

  it('is one of so many', () => {
    const names = Array.from({ length: NETTING_PAIRS_MAX + 1 }, (_, i) => `bank-${i}`);
    const join = (world: World): void => {
      for (const institutionId of names)
        world.tell({
          type: 'create_institution',
          institution: { institutionId, name: institutionId, creditLineSats: 0n },
        });
      for (const name of names.slice(1)) agreeNetting(world, 'a', name);
    };
    given(join)
      .when((world: World) => agreeNetting(world, 'a', names[0]!))
      .refused('TOO_MANY_PAIRS');
  });
});

const BANKS = ['a', 'b', 'c', 'd'];
const UNITS = [BTC, USD];
const payment = fc
  .tuple(
    fc.nat(BANKS.length - 1),
    fc.integer({ min: 1, max: BANKS.length - 1 }),
    fc.bigInt(1n, 2n ** 63n - 1n),
    fc.nat(1),
    fc.nat(1),
  )
  .map(([a, step, amount, unit, window]) => ({
    from: BANKS[a]!,
    to: BANKS[(a + step) % BANKS.length]!,
    money: { unit: UNITS[unit]!, amount },
    window: `w${window}`,
  }));
type Payment = typeof payment extends fc.Arbitrary<infer T> ? T : never;

describe('positions', () => {
  it('are the sums over a window’s settlements and add up to zero in each unit, whatever the batches', () => {
    fc.assert(
      fc.property(fc.array(fc.array(payment, { maxLength: 20 }), { maxLength: 8 }), (batches) => {
        // What is stored, as the upsert leaves it.
        const stored = new Map<string, { windowId: string } & Position>();
        for (const batch of batches) {
          const book = new PositionBook();
          for (const { window, ...leg } of batch) book.add(window, [leg]);
          for (const added of book.added()) {
            const key = `${added.windowId} ${added.institutionId} ${added.unit}`;
            stored.set(key, plus(stored.get(key), added));
          }
        }
        const all = batches.flat();
        const book = new PositionBook(['w0', 'w1'], [...stored.values()]);
        for (const windowId of ['w0', 'w1'])
          expectSums(
            book.of(windowId),
            all.filter(({ window }) => window === windowId),
          );
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it('aren’t told of a window whose positions weren’t loaded', () => {
    const book = new PositionBook();
    book.add('w', [{ from: 'a', to: 'b', money: { unit: BTC, amount: 1n } }]);
    expect(() => book.of('w')).toThrow("weren't loaded");
  });
});

function expectSums(positions: readonly Position[], payments: readonly Payment[]): void {
  for (const { institutionId, unit, paid, received, paidCount, receivedCount } of positions) {
    const ofUnit = payments.filter(({ money }) => money.unit === unit);
    const out = ofUnit.filter(({ from }) => from === institutionId);
    const back = ofUnit.filter(({ to }) => to === institutionId);
    expect([paid, paidCount]).toEqual([total(out), out.length]);
    expect([received, receivedCount]).toEqual([total(back), back.length]);
  }
  for (const { unit, settlements, gross } of totalsOf(positions)) {
    const ofUnit = payments.filter(({ money }) => money.unit === unit);
    expect([settlements, gross]).toEqual([ofUnit.length, total(ofUnit)]);
    const nets = positions.filter((position) => position.unit === unit).map(netOf);
    expect(nets.reduce((sum, net) => sum + net, 0n)).toBe(0n);
  }
  expect(new Set(totalsOf(positions).map(({ unit }) => unit))).toEqual(
    new Set(payments.map(({ money }) => money.unit)),
  );
}

const total = (of: readonly Payment[]): bigint => of.reduce((sum, { money }) => sum + money.amount, 0n);

function plus<T extends Position>(a: T | undefined, b: T): T {
  if (a === undefined) return b;
  return {
    ...b,
    paid: a.paid + b.paid,
    received: a.received + b.received,
    paidCount: a.paidCount + b.paidCount,
    receivedCount: a.receivedCount + b.receivedCount,
  };
}
