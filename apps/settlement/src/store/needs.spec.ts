import type { Instant } from '@finality/kernel';
import { type OwnPlace, POOL_WALLET_ID } from '@finality/settlement';
import { describe, expect, it } from 'vitest';
import { Needs } from './needs.ts';

type Command = Parameters<typeof Needs.of>[0][number];

const cause: Command['cause'] = {
  actor: { kind: 'institution', id: 'key-a' },
  occurredAt: 0 as Instant,
  causationId: '',
  correlationId: '',
};
const needsOf = (body: Command['body']): Needs => Needs.of([{ body, cause }]);

describe('what an institution wants paid out when windows close', () => {
  const wanted = (place: OwnPlace): Needs =>
    needsOf({
      type: 'choose_window_payout',
      request: { institutionId: 'a', by: 'key-a', wanted: { rule: { kind: 'net_credit' }, place } },
    });

  it('takes its wallet and the pool’s', () => {
    expect([...wanted({ kind: 'wallet', walletId: 'w-a' }).wallets].sort()).toEqual([POOL_WALLET_ID, 'w-a']);
  });

  it('takes its destination and the pool’s wallet', () => {
    const { wallets, destinations } = wanted({ kind: 'destination', destinationId: 'd-a' });
    expect([[...wallets], [...destinations]]).toEqual([[POOL_WALLET_ID], ['d-a']]);
  });

  it('takes no wallet when it is nothing, which names none', () => {
    const request = { institutionId: 'a', by: 'key-a' };
    expect([...needsOf({ type: 'choose_window_payout', request }).wallets]).toEqual([]);
  });
});
