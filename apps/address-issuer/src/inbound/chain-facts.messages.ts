import type { AddressUse } from '@finality/address';
import { parseScriptHex } from '@finality/bitcoin';
import { chainV1, TOPICS } from '@finality/contracts';
import type { Outcome } from '@finality/event-store';
import { unwrap } from '@finality/kernel';
import { command, commandsOf, type IncomingMessage, type Interpreted } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import type { IssuerBody, IssuerReply, IssuerStore } from '../commands.ts';
import { ISSUER_STORE } from '../tokens.ts';

/** Which issued addresses have been paid. What becomes of the payment is no matter here: an address that was seen in public counts as used. */
@Controller()
export class ChainFactMessages {
  readonly #store: IssuerStore;

  constructor(@Inject(ISSUER_STORE) store: IssuerStore) {
    this.#store = store;
  }

  @EventPattern(TOPICS.chainFact.name)
  handle(messages: readonly IncomingMessage[]): Promise<readonly Outcome<IssuerReply>[]> {
    return this.#store.execute(
      commandsOf(messages, { interpret, type: TOPICS.chainFact.message, schemaVersionMax: 1 }),
    );
  }
}

function interpret({ payload }: IncomingMessage): Interpreted<IssuerBody> {
  const { transactionSeen, transactionConfirmed } = chainV1.ChainFact.decode(payload);
  const transaction = transactionSeen?.transaction ?? transactionConfirmed?.transaction;
  const uses = (transaction?.outputs ?? []).flatMap(({ walletId, branch, index, script }): AddressUse[] => {
    if (walletId === '' || (branch !== 0 && branch !== 1)) return [];
    return [{ walletId, branch, index, script: unwrap(parseScriptHex(script)), txid: transaction!.txid }];
  });
  return command({ kind: 'mark_used', uses });
}
