import { describe, expect, it } from 'vitest';
import { approved, balance, CLEARING_A, funded, given, settlementOf, submitted } from '../spec/given.fixture.ts';
import type { Priority } from '../queue.ts';
import type { Command } from '../spec/commands.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

const OPERATOR = { keyId: 'operator', roles: ['operator'] } as const;

const queued =
  (amountSats: bigint, priority: Priority = 'normal') =>
  (world: World): void => {
    world.submit('centralized', 'a', 'b', amountSats, { priority });
    approved(world);
  };

const retried: Command = { type: 'retry_reservation', settlementId: 's-1' };

const reprioritized = (settlementId: string, priority: Priority): Command => ({
  type: 'reprioritize',
  settlementId,
  priority,
  caller: OPERATOR,
});

const settled = (...ids: readonly string[]): string[] =>
  ids.flatMap((id) => [`${id} liquidity_reserved`, `${id} settlement_settled`]);

const MONEY = funded('a', 'clearing', 10_000n);

describe('a payer’s line', () => {
  it('isn’t overtaken by what comes later and needs less', () => {
    const world = given(MONEY, queued(20_000n)).when(queued(1n)).world;
    expect(settlementOf(world, 's-2')).toMatchObject({ status: 'queued', waitsFor: 'INSUFFICIENT_LIQUIDITY' });
    expect(settlementOf(world, 's-2').transitions.at(-1)?.reason).toBe('others of a wait before it');
    expect(balance(world, CLEARING_A)).toEqual({ available: 10_000n });
  });

  it('is overtaken by a higher priority', () => {
    const world = given(MONEY, queued(20_000n, 'high'), queued(1n, 'high')).when(queued(4_000n, 'urgent')).world;
    expect(settlementOf(world, 's-3').status).toBe('settled');
    expect(world.book.queues.of('clearing/a')).toEqual(['s-1', 's-2']);
  });

  it('is none of another payer’s business', () => {
    const world = given(MONEY, funded('c', 'clearing', 5_000n), queued(20_000n)).when(
      submitted('centralized', 5_000n, 'c', 'b'),
      approved,
    ).world;
    expect(settlementOf(world).status).toBe('settled');
  });

  it('is paid from the front, as far as it goes', () => {
    const line = [queued(7_000n), queued(2_000n), queued(2_000n), queued(500n)];
    given(...line, MONEY)
      .when(retried)
      .then(...settled('s-1', 's-2'));
    given(...line, queued(10_000n, 'urgent'), MONEY)
      .when(retried)
      .then(...settled('s-5'));
  });

  it('is paid whoever of it is tried again', () => {
    given(queued(7_000n), queued(2_000n), MONEY)
      .when({ type: 'retry_reservation', settlementId: 's-2' })
      .then(...settled('s-1', 's-2'));
  });

  it('goes on when its first is cancelled', () => {
    const waiting = given(MONEY, queued(20_000n), queued(1_000n));
    const cancelled = { type: 'cancel', settlementId: 's-1', reason: 'because', caller: OPERATOR } as const;
    waiting.when(cancelled, { ...retried, settlementId: 's-2' }).then('s-1 settlement_cancelled', ...settled('s-2'));
  });
});

describe('a priority that is changed', () => {
  it('puts it behind those that have it already', () => {
    const line = [queued(1n, 'high'), queued(2n), queued(3n, 'high'), queued(4n)];
    const world = given(...line)
      .when(reprioritized('s-4', 'high'))
      .then('s-4 priority_changed');
    expect(world.book.queues.of('clearing/a')).toEqual(['s-1', 's-3', 's-4', 's-2']);
    expect(settlementOf(world, 's-4')).toMatchObject({ priority: 'high', terms: { priority: 'normal' } });
    const back = given(...line, (w) => w.tell(reprioritized('s-1', 'normal'))).when(reprioritized('s-1', 'high')).world;
    expect(back.book.queues.of('clearing/a')).toEqual(['s-3', 's-1', 's-2', 's-4']);
  });

  it('that is the same changes nothing', () => {
    const world = given(queued(1n), queued(2n)).when(reprioritized('s-1', 'normal')).then();
    expect(world.book.queues.of('clearing/a')).toEqual(['s-1', 's-2']);
  });

  it('stays with it, whatever becomes of it', () => {
    const world = given(queued(5n), (w) => w.tell(reprioritized('s-1', 'urgent')), MONEY).when(retried).world;
    expect(settlementOf(world, 's-1')).toMatchObject({ status: 'settled', priority: 'urgent' });
  });

  it('is refused where nothing waits in line', () => {
    given().when(reprioritized('s-1', 'high')).refused('UNKNOWN_SETTLEMENT');
    given(MONEY, queued(1n)).when(reprioritized('s-1', 'high')).refused('NOT_QUEUED');
    given(submitted('bilateral', 1_000n), approved).when(reprioritized('s-1', 'high')).refused('NOT_QUEUED');
  });
});
