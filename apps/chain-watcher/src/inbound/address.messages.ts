import { addressV1, TOPICS } from '@finality/contracts';
import type { EventStore, Outcome } from '@finality/event-store';
import { command, commandsOf, type IncomingMessage } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { ChainWatcherCommand } from '../commands.ts';
import { STORE } from '../tokens.ts';

/** An address was issued: the watch stays ahead of it. */
@Controller()
export class AddressMessages {
  readonly #store: EventStore<ChainWatcherCommand, null>;

  constructor(@Inject(STORE) store: EventStore<ChainWatcherCommand, null>) {
    this.#store = store;
  }

  @EventPattern(TOPICS.address.name)
  addressIssued(@Payload() messages: readonly IncomingMessage[]): Promise<readonly Outcome<null>[]> {
    const commands = commandsOf<ChainWatcherCommand>(messages, {
      type: TOPICS.address.message,
      schemaVersionMax: 1,
      interpret: (message) => command(indexIssued(message.payload)),
    });
    return this.#store.execute(commands);
  }
}

function indexIssued(payload: Uint8Array): ChainWatcherCommand {
  const { address } = addressV1.AddressIssued.decode(payload);
  if (!address) throw new Error('expected an address, got none');
  const { walletId, branch, index } = address;
  if (branch !== 0 && branch !== 1) throw new Error(`expected branch 0 or 1, got ${branch}`);
  return { kind: 'index_issued', walletId, branch, index };
}
