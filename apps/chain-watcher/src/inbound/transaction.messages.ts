import { isTxid, parseTransaction } from '@finality/bitcoin';
import { settlementV1, TOPICS } from '@finality/contracts';
import type { EventStore, Outcome } from '@finality/event-store';
import { command, commandsOf, type IncomingMessage, type Interpreted } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { ChainWatcherCommand } from '../commands.ts';
import { STORE } from '../tokens.ts';

/** What settlement wants on the chain, and what it doesn't want there any more. */
@Controller()
export class TransactionMessages {
  readonly #store: EventStore<ChainWatcherCommand, null>;

  constructor(@Inject(STORE) store: EventStore<ChainWatcherCommand, null>) {
    this.#store = store;
  }

  @EventPattern(TOPICS.transaction.name)
  transactionChanged(@Payload() messages: readonly IncomingMessage[]): Promise<readonly Outcome<null>[]> {
    const commands = commandsOf<ChainWatcherCommand>(messages, {
      type: TOPICS.transaction.message,
      schemaVersionMax: 1,
      interpret: (message) => interpret(settlementV1.TransactionChanged.decode(message.payload)),
    });
    return this.#store.execute(commands);
  }
}

const { TransactionStatus } = settlementV1;

function interpret(changed: settlementV1.TransactionChanged): Interpreted<ChainWatcherCommand> {
  const { txid, lineageId, version, raw, status } = changed;
  switch (status) {
    case TransactionStatus.TRANSACTION_STATUS_SIGNED: {
      const parsed = parseTransaction(raw);
      if (!parsed.ok) throw new Error(parsed.error.message);
      if (parsed.value.txid !== txid) throw new Error(`expected transaction ${txid}, got ${parsed.value.txid}`);
      return command({ kind: 'want_broadcast', txid: parsed.value.txid, lineageId, version, raw });
    }
    case TransactionStatus.TRANSACTION_STATUS_FINAL:
    case TransactionStatus.TRANSACTION_STATUS_DEAD:
      // A version that died before it was signed was never handed to us.
      return command(isTxid(txid) ? { kind: 'stop_broadcast', txid } : { kind: 'ignore' });
    default:
      return command({ kind: 'ignore' });
  }
}
