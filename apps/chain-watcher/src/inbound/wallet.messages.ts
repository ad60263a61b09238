import { type Network, parseDescriptor } from '@finality/bitcoin';
import { addressV1, fromTimestamp, TOPICS } from '@finality/contracts';
import type { EventStore, Outcome } from '@finality/event-store';
import { command, commandsOf, type IncomingMessage } from '@finality/messaging';
import { SERVICE_ENV, type ServiceEnv } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { ChainWatcherCommand } from '../commands.ts';
import type { ChainWatcherConfig } from '../config.ts';
import { STORE } from '../tokens.ts';

/** A wallet appears: its scripts are to be watched. */
@Controller()
export class WalletMessages {
  readonly #store: EventStore<ChainWatcherCommand, null>;
  readonly #network: Network;

  constructor(
    @Inject(STORE) store: EventStore<ChainWatcherCommand, null>,
    @Inject(SERVICE_ENV) env: ServiceEnv<ChainWatcherConfig>,
  ) {
    this.#store = store;
    this.#network = env.config.BITCOIN_NETWORK;
  }

  @EventPattern(TOPICS.wallet.name)
  walletChanged(@Payload() messages: readonly IncomingMessage[]): Promise<readonly Outcome<null>[]> {
    const commands = commandsOf<ChainWatcherCommand>(messages, {
      type: TOPICS.wallet.message,
      schemaVersionMax: 1,
      interpret: (message) => command(addWallet(message.payload, this.#network)),
    });
    return this.#store.execute(commands);
  }
}

/** What can't be derived from parks here, where it is seen, rather than stop the worker that derives. */
function addWallet(payload: Uint8Array, network: Network): ChainWatcherCommand {
  const { wallet, externalUsed, internalUsed } = addressV1.WalletChanged.decode(payload);
  if (!wallet || wallet.walletId === '') throw new Error('expected a wallet, got none');
  const descriptor = parseDescriptor([wallet.externalDescriptor, wallet.internalDescriptor], network);
  if (!descriptor.ok) throw new Error(descriptor.error.message);
  return {
    kind: 'add_wallet',
    walletId: wallet.walletId,
    custodial: wallet.kind === addressV1.WalletKind.WALLET_KIND_CUSTODIAL,
    external: wallet.externalDescriptor,
    internal: wallet.internalDescriptor,
    birthdayHeight: wallet.birthdayHeight,
    createdAt: wallet.createdAt ? fromTimestamp(wallet.createdAt) : null,
    used: { external: externalUsed, internal: internalUsed },
  };
}
