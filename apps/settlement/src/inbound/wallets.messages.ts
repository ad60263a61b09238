import type { Network } from '@finality/bitcoin';
import { TOPICS } from '@finality/contracts';
import type { Outcome } from '@finality/event-store';
import { commandsOf, type IncomingMessage } from '@finality/messaging';
import { SERVICE_ENV } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import { type SettlementEnv, type SettlementStore, STORE } from '../env.ts';
import type { SettlementReply } from '../store/commands.ts';
import { walletChanged } from './interpret.ts';

@Controller()
export class WalletsMessages {
  readonly #store: SettlementStore;
  readonly #network: Network;

  constructor(@Inject(STORE) store: SettlementStore, @Inject(SERVICE_ENV) env: SettlementEnv) {
    this.#store = store;
    this.#network = env.config.network;
  }

  @EventPattern(TOPICS.wallet.name)
  handle(messages: readonly IncomingMessage[]): Promise<readonly Outcome<SettlementReply>[]> {
    return this.#store.execute(
      commandsOf(messages, {
        interpret: (message) => walletChanged(message, this.#network),
        type: TOPICS.wallet.message,
        schemaVersionMax: 1,
      }),
    );
  }
}
