import { walletAggregate, type WalletEvent } from '@finality/address';
import { isNetwork } from '@finality/bitcoin';
import type { Rebuild, StoredEvent } from '@finality/event-store';
import { assert } from '@finality/kernel';
import { projectUses } from './address-uses.projection.ts';
import { projectAddresses } from './addresses.projection.ts';
import { projectDestinations } from './destinations.projection.ts';
import { projectWallets } from './wallets.projection.ts';

export const walletEvents = (events: readonly StoredEvent[]): readonly StoredEvent<WalletEvent>[] =>
  events.filter(({ stream }) => stream.startsWith(`${walletAggregate.name}/`)) as readonly StoredEvent<WalletEvent>[];

/** All of it: what is issued, to whom, and what it was paid by stands in this service's own events. */
export function addressRebuild(network: string): Rebuild {
  assert(isNetwork(network), `a network of Bitcoin: ${network}`);
  return {
    projections: [
      {
        tables: ['wallets', 'wallet_branches'],
        save: (session, events) => projectWallets(session, walletEvents(events), network),
      },
      { tables: ['addresses'], save: (session, events) => projectAddresses(session, walletEvents(events)) },
      { tables: ['address_uses'], save: (session, events) => projectUses(session, walletEvents(events)) },
      { tables: ['destinations'], save: projectDestinations },
    ],
    left: {},
  };
}
