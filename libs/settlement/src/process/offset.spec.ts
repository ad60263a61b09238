import { describe, expect, it } from 'vitest';
import type { Priority } from '../queue.ts';
import { approved, balance, CLEARING_A, funded, given, settlementOf } from '../spec/given.fixture.ts';
import { resolvable } from '../spec/queue-actions.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

const queued =
  (from: string, to: string, amountSats: bigint, priority: Priority = 'normal') =>
  (world: World): void => {
    world.submit('centralized', from, to, amountSats, { priority });
    approved(world);
  };

const together =
  (...settlementIds: readonly string[]) =>
  (world: World): void =>
    world.offset(settlementIds);

const settled = (...ids: readonly string[]): string[] =>
  ids.flatMap((id) => [`${id} liquidity_reserved`, `${id} settlement_settled`]);

/** b may owe 30,000 sat; a and c nothing. */
const CIRCLE = [queued('a', 'b', 90_000n), queued('b', 'c', 90_000n), queued('c', 'a', 90_000n)];

describe('settlements that pay for each other', () => {
  it('are settled all at once, without any money', () => {
    const world = given(...CIRCLE)
      .when((w) => w.offset(resolvable(w)))
      .then(...settled('s-1', 's-2', 's-3'));
    expect(balance(world, CLEARING_A)).toEqual({});
    expect(settlementOf(world, 's-1')).toMatchObject({ status: 'settled', gridlockId: expect.any(String) as string });
    expect(world.book.timers.size).toBe(0);
  });

  it('are settled whoever comes first in what was found', () => {
    given(...CIRCLE)
      .when(together('s-3', 's-2', 's-1', 's-2'))
      .then(...settled('s-3', 's-2', 's-1'));
  });

  it('may need what there is, and what may be owed', () => {
    const more = [queued('a', 'b', 60_000n), queued('b', 'a', 100_000n)];
    const money = funded('b', 'clearing', 10_000n);
    given(...more, money)
      .when(together('s-1', 's-2'))
      .then(...settled('s-1', 's-2'));
    given(...more, funded('b', 'clearing', 9_999n))
      .when(together('s-1', 's-2'))
      .then();
  });

  it('are left alone when one of them isn’t there any more', () => {
    given(...CIRCLE)
      .when((w) => w.withdraw('s-2', 'cancel'), together('s-1', 's-2', 's-3'))
      .then('s-2 settlement_cancelled');
    const request = { gridlockId: 'g', settlementIds: ['s-1', 's-2', 's-9'] };
    given(...CIRCLE)
      .when({ type: 'resolve_gridlock', request })
      .then();
    given(...CIRCLE, together('s-1', 's-2', 's-3'))
      .when(together('s-1', 's-2', 's-3'))
      .then();
  });

  it('are left alone when one of them would overtake another by now', () => {
    const world = given(...CIRCLE, queued('a', 'c', 1n, 'urgent'))
      .when(together('s-1', 's-2', 's-3'))
      .then();
    expect(settlementOf(world, 's-1').status).toBe('queued');
    given(...CIRCLE, queued('a', 'c', 1n))
      .when(together('s-1', 's-2', 's-3'))
      .then(...settled('s-1', 's-2', 's-3'));
  });

  it('stay in the order of their lines', () => {
    const lines = [queued('a', 'b', 40_000n), queued('b', 'a', 50_000n), queued('a', 'b', 10_000n)];
    const money = [queued('b', 'c', 30_000n), ...lines];
    given(...money)
      .when(together('s-4', 's-3', 's-2'))
      .then(...settled('s-2', 's-4', 's-3'));
  });
});
