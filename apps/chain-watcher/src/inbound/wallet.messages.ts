import { addressV1, TOPICS } from '@finality/contracts';
import type { EventStore, Outcome } from '@finality/event-store';
import { command, commandsOf, type IncomingMessage } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { ChainWatcherCommand } from '../commands.ts';
import { STORE } from '../tokens.ts';

/** A wallet appears: its scripts are to be watched. */
@Controller()
export class WalletMessages {
  readonly #store: EventStore<ChainWatcherCommand, null>;

  constructor(@Inject(STORE) store: EventStore<ChainWatcherCommand, null>) {
    this.#store = store;
  }

  @EventPattern(TOPICS.wallet.name)
  walletChanged(@Payload() messages: readonly IncomingMessage[]): Promise<readonly Outcome<null>[]> {
    const commands = commandsOf<ChainWatcherCommand>(messages, {
      type: TOPICS.wallet.message,
      schemaVersionMax: 1,
      interpret: (message) => command(addWallet(message.payload)),
    });
    return this.#store.execute(commands);
  }
}

function addWallet(payload: Uint8Array): ChainWatcherCommand {
  const { wallet } = addressV1.WalletChanged.decode(payload);
  if (!wallet || wallet.walletId === '') throw new Error('expected a wallet, got none');
  return {
    kind: 'add_wallet',
    walletId: wallet.walletId,
    custodial: wallet.kind === addressV1.WalletKind.WALLET_KIND_CUSTODIAL,
    external: wallet.externalDescriptor,
    internal: wallet.internalDescriptor,
    birthdayHeight: wallet.birthdayHeight,
  };
}
