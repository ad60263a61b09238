import { assert } from '@finality/kernel';
import type { VirtualClock } from '@finality/testing/simulation';
import type { Clients } from './clients.ts';
import type { Outside } from './outside.ts';

/** Deposits per institution and kind of address before the first settlement, and their values. */
const FUNDING_DEPOSITS = 3;
const FUNDING_SATS = 1_500_000n;
const FUNDING_BLOCKS = 4;

export interface Newcomers {
  readonly clients: Clients;
  readonly outside: Outside;
  readonly clock: VirtualClock;
}

/** Everybody gets keys, wallets, and money that is credited. `work` lets the platform do what there is to do. */
export async function settleIn({ clients, outside, clock }: Newcomers, work: () => Promise<void>): Promise<void> {
  await clients.enrol();
  await clients.join(() => {
    clock.advance(1_000);
    return work();
  });
  for (const { scripts } of clients.institutions) {
    for (const script of scripts) {
      for (let i = 0; i < FUNDING_DEPOSITS; i++) assert(outside.deposit(script, FUNDING_SATS), 'a deposit is taken');
    }
  }
  for (let i = 0; i < FUNDING_BLOCKS; i++) {
    outside.mine();
    await work();
  }
}
