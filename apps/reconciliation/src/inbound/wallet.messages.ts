import { addressV1, TOPICS } from '@finality/contracts';
import type { Outcome } from '@finality/event-store';
import { command, commandsOf, type IncomingMessage } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { ReconciliationCommand } from '../commands.ts';
import { type ReconciliationStore, STORE } from '../tokens.ts';

/** A wallet appears: its outputs are indexed from its birthday on. */
@Controller()
export class WalletMessages {
  readonly #store: ReconciliationStore;

  constructor(@Inject(STORE) store: ReconciliationStore) {
    this.#store = store;
  }

  @EventPattern(TOPICS.wallet.name)
  walletChanged(@Payload() messages: readonly IncomingMessage[]): Promise<readonly Outcome<unknown>[]> {
    const commands = commandsOf<ReconciliationCommand>(messages, {
      type: TOPICS.wallet.message,
      schemaVersionMax: 1,
      interpret: (message) => command(addWallet(message.payload)),
    });
    return this.#store.execute(commands);
  }
}

function addWallet(payload: Uint8Array): ReconciliationCommand {
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
