import { type Instant, MAX_MONEY_SATS } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import { approved, balance, CLEARING_A, given, lastOf, settlementOf, submitted } from '../spec/given.fixture.ts';
import type { Command } from '../spec/commands.fixture.ts';
import type { World } from '../spec/world.fixture.ts';
import { OWED_MAX, owedAtMost } from '../unit-debt.ts';

const DAY_MS = 86_400_000;

const BOTH = { by: 'operator', confirmedBy: 'operator-2' };

const line =
  (creditLineSats: bigint, expiresInMs?: number) =>
  (world: World): string | undefined => {
    const expiresAt = expiresInMs === undefined ? {} : { expiresAt: (world.book.now + expiresInMs) as Instant };
    const request = { institutionId: 'a', creditLineSats, ...expiresAt, reason: 'reviewed', ...BOTH };
    return world.tell({ type: 'set_credit_line', request });
  };

const later =
  (ms: number) =>
  (world: World): void =>
    void (world.book.now = (world.book.now + ms) as Instant);

const EXPIRED: Command = { type: 'expire_credit_line', institutionId: 'a' };

const retried = (world: World): void => world.withdraw(lastOf(world), 'retry_reservation');

const lineOf = (world: World): unknown => {
  const institution = world.book.institutions.get('a');
  return institution.status === 'none' ? undefined : [institution.creditLineSats, institution.creditLineExpiresAt];
};

describe('a credit line', () => {
  it('is what may be owed from now on, to the satoshi', () => {
    const world = given(line(10_000n), submitted('centralized', 10_000n)).when(approved).world;
    expect(settlementOf(world).status).toBe('settled');
    expect(balance(world, CLEARING_A)).toEqual({ available: -10_000n });
    expect(world.book.ledger.spendable(CLEARING_A)).toBe(0n);
    const short = given(line(9_999n), submitted('centralized', 10_000n)).when(approved).world;
    expect(settlementOf(short).status).toBe('queued');
  });

  it('that is raised pays what was queued', () => {
    const world = given(submitted('centralized', 10_000n), approved, line(10_000n)).when(retried).world;
    expect(settlementOf(world).status).toBe('settled');
  });

  it('that is lowered below what is drawn moves nothing, and lets nothing more be drawn', () => {
    const drawn = [line(10_000n), submitted('centralized', 8_000n), approved] as const;
    const world = given(...drawn, line(5_000n), submitted('centralized', 1n)).when(approved).world;
    expect(settlementOf(world).status).toBe('queued');
    expect(balance(world, CLEARING_A)).toEqual({ available: -8_000n });
    expect(world.book.ledger.spendable(CLEARING_A)).toBe(-3_000n);
  });

  it('falls to 0 when its time is up', () => {
    const until = given(line(10_000n, DAY_MS), submitted('centralized', 8_000n), approved);
    until.when(later(DAY_MS - 1), EXPIRED).then();
    const world = until.when(later(DAY_MS), EXPIRED).then('institution/a credit_line_expired');
    expect(lineOf(world)).toEqual([0n, undefined]);
    expect(balance(world, CLEARING_A)).toEqual({ available: -8_000n });
    expect(world.book.ledger.spendable(CLEARING_A)).toBe(-8_000n);
    expect(world.book.timers.has('a')).toBe(false);
    until.when(later(DAY_MS), EXPIRED, EXPIRED).then('institution/a credit_line_expired');
  });

  it('that is set anew before then keeps what it was set to', () => {
    const prolonged = given(line(10_000n, DAY_MS), line(7_000n, 2 * DAY_MS))
      .when(later(DAY_MS), EXPIRED)
      .then();
    expect(lineOf(prolonged)).toEqual([7_000n, prolonged.book.now + DAY_MS]);
    const endless = given(line(10_000n, DAY_MS), line(7_000n)).when(later(DAY_MS), EXPIRED).then();
    expect(lineOf(endless)).toEqual([7_000n, undefined]);
    expect(endless.book.timers.has('a')).toBe(false);
  });

  it('ends in the future, and within a year', () => {
    for (const [sats, inMs] of [
      [1n, 0],
      [1n, 366 * DAY_MS + 1],
      [0n, DAY_MS],
    ] as const)
      given().when(line(sats, inMs)).refused('INVALID_ARGUMENT');
    given()
      .when(line(1n, 366 * DAY_MS))
      .then('institution/a credit_line_set', 'unit_debt/BTC line_counted');
  });

  it('is nobody’s who isn’t there', () => {
    const request = { institutionId: 'nobody', creditLineSats: 1n, reason: '', by: 'operator' };
    given().when({ type: 'set_credit_line', request }).refused('UNKNOWN_INSTITUTION');
    given().when({ type: 'expire_credit_line', institutionId: 'nobody' }).then();
  });

  it('isn’t granted when all together could owe more than can be told, nor does lowering one make room', () => {
    const { world } = given().when();
    const most = MAX_MONEY_SATS as bigint;
    const grant = (institutionId: string, creditLineSats: bigint): string | undefined =>
      world.tell({ type: 'set_credit_line', request: { institutionId, creditLineSats, reason: 'reviewed', ...BOTH } });
    const count = Number(OWED_MAX / most);
    const before = owedAtMost(world.book.unitDebts.get(BTC));
    expect(before).toBe(0n);
    for (let i = 0; i <= count; i++) {
      const institution = { institutionId: `bank-${i}`, name: 'Bank', creditLineSats: 0n };
      expect(world.tell({ type: 'create_institution', institution })).toBeUndefined();
    }
    for (let i = 0; i < count; i++) expect(grant(`bank-${i}`, most)).toBeUndefined();
    expect(grant(`bank-${count}`, most)).toBe('AMOUNT_TOO_LARGE');
    expect(grant('bank-0', 0n)).toBeUndefined();
    expect(grant(`bank-${count}`, most)).toBe('AMOUNT_TOO_LARGE');
    expect(grant('bank-0', most)).toBeUndefined();
    expect(grant(`bank-${count}`, OWED_MAX - most * BigInt(count))).toBeUndefined();
    expect(owedAtMost(world.book.unitDebts.get(BTC))).toBe(OWED_MAX);
  });
});
