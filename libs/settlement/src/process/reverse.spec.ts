import { describe, expect, it } from 'vitest';
import {
  approved,
  assessed,
  balance,
  CLEARING_A,
  CLEARING_B,
  funded,
  given,
  lastOf,
  mined,
  paying,
  settlementOf,
  submitted,
} from '../spec/given.fixture.ts';
import type { Mode } from '../settlement.ts';
import type { World } from '../spec/world.fixture.ts';
import { REVERSALS_MAX } from './reverse.ts';

/** The last one or the one named is asked for to be paid back; with the reason of a refusal as its answer. */
const reversed =
  (amountSats: bigint, of = 's-1', mode?: Mode) =>
  (world: World): string | undefined => {
    const told = world.told.length;
    world.reverse(of, amountSats, mode);
    return world.told[told]!.refused;
  };
const withdrawn = (how: 'cancel' | 'expire') => (world: World) => world.withdraw(lastOf(world), how);

/** a has paid b 1,000 sat. */
const SETTLED = [funded('a', 'clearing', 20_000n), submitted('centralized', 1_000n), approved];

describe('a settled settlement', () => {
  it('is paid back by a new one in the opposite direction, which goes the way of any other', () => {
    const asked = given(...SETTLED)
      .when(reversed(1_000n))
      .then('s-2 settlement_received', 's-2 screening_requested', 's-1 reversal_requested');
    expect(settlementOf(asked)).toMatchObject({
      status: 'screening',
      terms: { from: 'b', to: 'a', amountSats: 1_000n, mode: 'centralized', reverses: 's-1' },
    });
    expect(settlementOf(asked, 's-1')).toMatchObject({ status: 'settled', reversals: ['s-2'] });
    const { world } = given(...SETTLED).when(reversed(1_000n), approved);
    expect(settlementOf(world).status).toBe('settled');
    expect(balance(world, CLEARING_A)).toEqual({ available: 20_000n });
    expect(balance(world, CLEARING_B)).toEqual({});
  });

  it('is paid back in parts, and not a satoshi more than there is', () => {
    const { world } = given(...SETTLED).when(reversed(600n), approved, reversed(400n), approved);
    expect(settlementOf(world, 's-1')).toMatchObject({ status: 'settled', reversals: ['s-2', 's-3'] });
    expect(balance(world, CLEARING_B)).toEqual({});
    given(...SETTLED)
      .when(reversed(1_001n))
      .refused('REVERSAL_EXCEEDS_ORIGINAL');
    given(...SETTLED, reversed(600n))
      .when(reversed(401n))
      .refused('REVERSAL_EXCEEDS_ORIGINAL');
    given(...SETTLED, reversed(600n), reversed(400n), approved)
      .when(reversed(1n))
      .refused('REVERSAL_EXCEEDS_ORIGINAL');
  });

  it.each([
    ['rejected', assessed('approve', 'reject')],
    ['cancelled', withdrawn('cancel')],
    ['expired', withdrawn('expire')],
  ] as const)('may be reversed again after a reversal was %s', (status, end) => {
    const { world } = given(...SETTLED, reversed(1_000n), end).when(reversed(1_000n), approved);
    expect(settlementOf(world, 's-2').status).toBe(status);
    expect(settlementOf(world, 's-3').status).toBe('settled');
    expect(settlementOf(world, 's-1').reversals).toEqual(['s-2', 's-3']);
  });

  it('on the chain is paid back on the chain, or from clearing if so asked', () => {
    const onChain = [funded('a', 'wallet', 100_000n), funded('b', 'wallet', 50_000n), submitted('bilateral', 20_000n)];
    const settled = [...onChain, ...paying, mined(3)];
    const back = given(...settled).when(reversed(20_000n), ...paying, mined(3)).world;
    expect(settlementOf(back)).toMatchObject({ status: 'settled', terms: { mode: 'bilateral', reverses: 's-1' } });
    const cleared = given(...settled, funded('b', 'clearing', 30_000n)).when(
      reversed(20_000n, 's-1', 'centralized'),
      approved,
    ).world;
    expect(settlementOf(cleared).status).toBe('settled');
    expect(balance(cleared, CLEARING_A)).toEqual({ available: 20_000n });
  });

  it('is reversed at most so many times, whatever became of it', () => {
    const tried = Array.from({ length: REVERSALS_MAX }, () => [reversed(1n), withdrawn('cancel')]).flat();
    given(...SETTLED, ...tried)
      .when(reversed(1n))
      .refused('TOO_MANY_REVERSALS');
  });
});

describe('nothing is reversed', () => {
  it('that isn’t settled', () => {
    given(submitted('centralized', 1_000n)).when(reversed(1_000n)).refused('NOT_SETTLED');
    given(submitted('centralized', 1_000n), assessed('approve', 'reject')).when(reversed(1n)).refused('NOT_SETTLED');
  });

  it('that is a reversal itself', () => {
    given(...SETTLED, reversed(1_000n), approved)
      .when(reversed(1n, 's-2'))
      .refused('REVERSAL_OF_REVERSAL');
  });

  it('for an institution that is frozen', () => {
    const frozen = (world: World) => world.tell({ type: 'freeze_institution', institutionId: 'b', reason: 'why not' });
    given(...SETTLED, frozen)
      .when(reversed(1_000n))
      .refused('INSTITUTION_FROZEN');
  });
});
