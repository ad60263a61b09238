import { chainV1, fromTimestamp, TOPICS } from '@finality/contracts';
import type { Outcome } from '@finality/event-store';
import { command, commandsOf, type IncomingMessage, type Interpreted } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { NOTHING, type RiskBody } from '../commands.ts';
import { RISK_STORE, type RiskStore } from '../tokens.ts';

/** Transactions that pay us tell when an external address was first seen, and how busy it is. */
@Controller()
export class ChainFactMessages {
  readonly #store: RiskStore;

  constructor(@Inject(RISK_STORE) store: RiskStore) {
    this.#store = store;
  }

  @EventPattern(TOPICS.chainFact.name)
  handle(@Payload() messages: readonly IncomingMessage[]): Promise<readonly Outcome<unknown>[]> {
    return this.#store.execute(
      commandsOf(messages, { interpret, type: TOPICS.chainFact.message, schemaVersionMax: 1 }),
    );
  }
}

export function interpret({ payload }: Pick<IncomingMessage, 'payload'>): Interpreted<RiskBody> {
  const { observedAt, transactionSeen, transactionConfirmed } = chainV1.ChainFact.decode(payload);
  const transaction = transactionSeen?.transaction ?? transactionConfirmed?.transaction;
  if (transaction === undefined) return command(NOTHING);
  if (observedAt === undefined) throw new Error('a fact says when it was observed');
  const external = transaction.inputs.filter(({ script, walletId }) => script !== '' && walletId === '');
  const scripts = [...new Set(external.map(({ script }) => script.toLowerCase()))];
  if (scripts.length === 0) return command(NOTHING);
  return command({ kind: 'observe', txid: transaction.txid, scripts, at: fromTimestamp(observedAt) });
}
