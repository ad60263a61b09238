import { pgTypes, quoteIdentifier } from '@finality/event-store';
import type { ConsumerOptions, IncomingMessage, MessageConsumer, MessageDriver } from '@finality/messaging';
import type { Pool } from 'pg';

/**
 * Switches the inbox off, from outside: every delivery gets the sequence that the inbox waits for, so that it takes each of them, repeats
 * included, for a message it has never seen. Simulations must fail with it.
 */
export class UnnumberedDriver implements MessageDriver {
  readonly #inner: MessageDriver;
  readonly #inbox: { readonly pool: Pool; readonly schema: string };

  constructor(inner: MessageDriver, inbox: { readonly pool: Pool; readonly schema: string }) {
    this.#inner = inner;
    this.#inbox = inbox;
  }

  consumer(options: ConsumerOptions): MessageConsumer {
    const inner = this.#inner.consumer(options);
    // What is kept in memory has no inbox.
    if (options.replay) return inner;
    const delivered = new Map<IncomingMessage, IncomingMessage>();
    return {
      poll: async (limit) => {
        const messages: IncomingMessage[] = [];
        const last = new Map<string, bigint>();
        for (const message of await inner.poll(limit)) {
          const key = `${message.topic} ${message.orderingKey}`;
          const sequence = (last.get(key) ?? (await this.#lastReceived(message))) + 1n;
          last.set(key, sequence);
          const renumbered = { ...message, sequence };
          delivered.set(renumbered, message);
          messages.push(renumbered);
        }
        return messages;
      },
      acknowledge: async (messages) => {
        await inner.acknowledge(messages.map((message) => delivered.get(message) ?? message));
        for (const message of messages) delivered.delete(message);
      },
      fetch: (...args) => inner.fetch(...args),
      onWake: (listener) => inner.onWake(listener),
      lag: () => inner.lag(),
      close: () => inner.close(),
    };
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #lastReceived({ topic, orderingKey }: IncomingMessage): Promise<bigint> {
    const { rows } = await this.#inbox.pool.query<{ last_sequence: bigint }>({
      text: `SELECT last_sequence FROM ${quoteIdentifier(this.#inbox.schema)}.inbox_keys WHERE topic = $1 AND ordering_key = $2`,
      values: [topic, orderingKey],
      types: pgTypes,
    });
    return rows[0]?.last_sequence ?? 0n;
  }
}
