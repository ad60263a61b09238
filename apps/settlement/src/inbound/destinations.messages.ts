import { TOPICS } from '@finality/contracts';
import type { Outcome } from '@finality/event-store';
import { commandsOf, type IncomingMessage } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import { type SettlementStore, STORE } from '../env.ts';
import type { SettlementReply } from '../store/commands.ts';
import { destinationChanged } from './interpret.ts';

@Controller()
export class DestinationsMessages {
  readonly #store: SettlementStore;

  constructor(@Inject(STORE) store: SettlementStore) {
    this.#store = store;
  }

  @EventPattern(TOPICS.destination.name)
  handle(messages: readonly IncomingMessage[]): Promise<readonly Outcome<SettlementReply>[]> {
    return this.#store.execute(
      commandsOf(messages, { interpret: destinationChanged, type: TOPICS.destination.message, schemaVersionMax: 1 }),
    );
  }
}
