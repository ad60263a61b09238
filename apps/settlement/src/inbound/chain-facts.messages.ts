import { TOPICS } from '@finality/contracts';
import type { Outcome } from '@finality/event-store';
import { commandsOf, type IncomingMessage } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import type { Network } from '@finality/bitcoin';
import { SERVICE_ENV } from '@finality/service';
import { type SettlementEnv, type SettlementStore, STORE } from '../env.ts';
import type { SettlementReply } from '../store/commands.ts';
import { chainFact } from './interpret.ts';

@Controller()
export class ChainFactsMessages {
  readonly #store: SettlementStore;
  readonly #network: Network;

  constructor(@Inject(STORE) store: SettlementStore, @Inject(SERVICE_ENV) env: SettlementEnv) {
    this.#store = store;
    this.#network = env.config.network;
  }

  @EventPattern(TOPICS.chainFact.name)
  handle(messages: readonly IncomingMessage[]): Promise<readonly Outcome<SettlementReply>[]> {
    return this.#store.execute(
      commandsOf(messages, {
        interpret: (message) => chainFact(message, this.#network),
        type: TOPICS.chainFact.message,
        schemaVersionMax: 1,
      }),
    );
  }
}
