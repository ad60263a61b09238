import { TOPICS } from '@finality/contracts';
import type { Outcome } from '@finality/event-store';
import { commandsOf, type IncomingMessage } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import { type SettlementStore, STORE } from '../env.ts';
import type { SettlementReply } from '../store/commands.ts';
import { reconciliationRun } from './interpret.ts';

/** A comparison after a restore may end the recovery; at any other time it says nothing here. */
@Controller()
export class ReconciliationRunsMessages {
  readonly #store: SettlementStore;

  constructor(@Inject(STORE) store: SettlementStore) {
    this.#store = store;
  }

  @EventPattern(TOPICS.reconciliationRun.name)
  handle(messages: readonly IncomingMessage[]): Promise<readonly Outcome<SettlementReply>[]> {
    return this.#store.execute(
      commandsOf(messages, {
        interpret: reconciliationRun,
        type: TOPICS.reconciliationRun.message,
        schemaVersionMax: 1,
      }),
    );
  }
}
