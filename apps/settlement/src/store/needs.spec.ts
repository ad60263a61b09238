import type { Instant } from '@finality/kernel';
import { POOL_WALLET_ID } from '@finality/settlement';
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
  const choice = { institutionId: 'a', by: 'key-a' };

  it('takes its wallet and the pool’s', () => {
    const request = { ...choice, walletId: 'w-a', rule: { kind: 'net_credit' } } as const;
    expect([...needsOf({ type: 'choose_window_payout', request }).wallets]).toEqual(['w-a', POOL_WALLET_ID]);
  });

  it('takes no wallet when it is nothing, which names none', () => {
    const request = { ...choice, walletId: '' };
    expect([...needsOf({ type: 'choose_window_payout', request }).wallets]).toEqual([]);
  });
});
