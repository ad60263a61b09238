import { describe, expect, it } from 'vitest';
import { isSpendable } from '../coin.ts';
import {
  approved,
  assessed,
  assigned,
  balance,
  broadcast,
  empty,
  funded,
  given,
  lastOf,
  lineageOf,
  mined,
  signed,
  submitted,
  WALLET_A,
} from '../spec/given.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

const cancelled = (world: World): string | undefined => {
  const told = world.told.length;
  world.withdraw(lastOf(world), 'cancel');
  return world.told[told]!.refused;
};
const expired = (world: World): void => world.withdraw(lastOf(world), 'expire');

const MONEY = funded('a', 'wallet', 90_000n);
const REQUEST = submitted('bilateral', 1_000n);
const POOR = submitted('bilateral', 500_000n);

describe.each([
  ['screening', [MONEY, REQUEST]],
  ['under_review', [MONEY, REQUEST, assessed('approve', 'manual_review')]],
  ['queued', [MONEY, POOR, approved]],
] as const)('%s', (_status, history) => {
  it('can be cancelled', () => {
    const world = given(...history)
      .when(cancelled)
      .then('s-1 settlement_cancelled');
    expect(balance(world, WALLET_A)).toEqual({ available: 90_000n });
    expect(world.book.timers.size).toBe(0);
  });

  it('expires', () => {
    given(...history)
      .when(expired)
      .then('s-1 settlement_expired');
  });
});

describe('reserved', () => {
  it.each([
    ['cancelled', cancelled],
    ['expired', expired],
  ] as const)('%s, gives back what it has taken', (status, withdrawn) => {
    const history = [MONEY, REQUEST, approved];
    const world = given(...history)
      .when(withdrawn)
      .then('lineage/s-1 lineage_abandoned', `s-1 settlement_${status}`);
    expect(balance(world, WALLET_A)).toEqual({ available: 90_000n });
    expect(lineageOf(world).status).toBe('abandoned');
    const [coin] = world.book.coins.ofWallet('w-a');
    expect(isSpendable(coin!, world.book.tip.get().height, 3)).toBe(true);
  });

  it('cancelled, gets no transaction when its addresses come late', () => {
    const late = (world: World): void => {
      const lineage = lineageOf(world);
      if (lineage.status === 'abandoned') world.assign(lineage.plan, true);
    };
    given(MONEY, REQUEST, approved, cancelled).when(late).then();
  });
});

describe.each([
  ['executing', [assigned]],
  ['signed', [signed]],
  ['confirming', [signed, broadcast, mined(1)]],
  ['settled', [signed, broadcast, mined(3)]],
] as const)('%s', (_status, rest) => {
  it('doesn’t expire', () => {
    given(MONEY, REQUEST, approved, ...rest)
      .when(expired)
      .then();
  });
});

describe.each([
  ['confirming', 1],
  ['settled', 3],
] as const)('%s', (_status, confirmations) => {
  it('is paid, and can’t be cancelled', () => {
    given(MONEY, REQUEST, approved, signed, broadcast, mined(confirmations)).when(cancelled).refused('NOT_CANCELLABLE');
  });
});

describe('over', () => {
  it('stays over', () => {
    given(MONEY, REQUEST, cancelled).when(cancelled).refused('NOT_CANCELLABLE');
    given(MONEY, REQUEST, cancelled).when(expired).then();
    given(MONEY, REQUEST, expired).when(cancelled).refused('NOT_CANCELLABLE');
    given(MONEY, REQUEST, assessed('reject', 'approve')).when(cancelled).refused('NOT_CANCELLABLE');
  });

  it('and what never was isn’t', () => {
    const caller = { keyId: 'o', roles: ['operator'] } as const;
    given().when({ type: 'cancel', settlementId: 's-9', reason: '', caller }).refused('UNKNOWN_SETTLEMENT');
    given().when({ type: 'expire', settlementId: 's-9' }).then();
    given().when(empty(0)).then();
  });
});
