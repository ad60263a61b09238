import { addressV1, TOPICS } from '@finality/contracts';
import type { Outcome } from '@finality/event-store';
import { command, commandsOf, type IncomingMessage } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { ReconciliationCommand } from '../commands.ts';
import { type ReconciliationStore, STORE } from '../tokens.ts';

/** An address was issued: the index stays ahead of it. */
@Controller()
export class AddressMessages {
  readonly #store: ReconciliationStore;

  constructor(@Inject(STORE) store: ReconciliationStore) {
    this.#store = store;
  }

  @EventPattern(TOPICS.address.name)
  addressIssued(@Payload() messages: readonly IncomingMessage[]): Promise<readonly Outcome<unknown>[]> {
    const commands = commandsOf<ReconciliationCommand>(messages, {
      type: TOPICS.address.message,
      schemaVersionMax: 1,
      interpret: (message) => command(indexUsed(message.payload)),
    });
    return this.#store.execute(commands);
  }
}

function indexUsed(payload: Uint8Array): ReconciliationCommand {
  const { address } = addressV1.AddressIssued.decode(payload);
  if (!address) throw new Error('expected an address, got none');
  const { walletId, branch, index } = address;
  if (branch !== 0 && branch !== 1) throw new Error(`expected branch 0 or 1, got ${branch}`);
  return { kind: 'index_used', walletId, branch, index };
}
