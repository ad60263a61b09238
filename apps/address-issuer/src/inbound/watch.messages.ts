import { chainV1, TOPICS } from '@finality/contracts';
import type { Outcome } from '@finality/event-store';
import { command, commandsOf, type IncomingMessage, type Interpreted } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import type { IssuerBody, IssuerReply, IssuerStore } from '../commands.ts';
import { ISSUER_STORE } from '../tokens.ts';

/** How far ahead the chain watcher watches: nothing beyond is issued. */
@Controller()
export class WatchMessages {
  readonly #store: IssuerStore;

  constructor(@Inject(ISSUER_STORE) store: IssuerStore) {
    this.#store = store;
  }

  @EventPattern(TOPICS.watch.name)
  handle(messages: readonly IncomingMessage[]): Promise<readonly Outcome<IssuerReply>[]> {
    return this.#store.execute(commandsOf(messages, { interpret, type: TOPICS.watch.message, schemaVersionMax: 1 }));
  }
}

function interpret({ payload }: IncomingMessage): Interpreted<IssuerBody> {
  const { walletId, externalBelow, internalBelow, scanning } = chainV1.WatchExtended.decode(payload);
  if (walletId === '') throw new Error('expected a wallet');
  const below = { external: externalBelow, internal: internalBelow };
  return command({ kind: 'extend_watch', walletId, below, scanning });
}
