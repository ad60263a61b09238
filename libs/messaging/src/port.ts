import type { MessageRef, PublishedMessage } from '@finality/event-store';

/** A message on its way to a consumer. `acknowledge` of a driver takes the very objects that `poll` gave. */
export type IncomingMessage = PublishedMessage;

/**
 * How messages travel. Two drivers, the same bytes (DESIGN 4): `postgres` tails the owners' published messages, `kafka` comes with the
 * distributed platform. At least once, in order per (topic, ordering key); everything else may be permuted.
 */
export interface MessageDriver {
  consumer(options: ConsumerOptions): MessageConsumer;
  close(): Promise<void>;
}

export interface ConsumerOptions {
  /** The consuming service: progress is kept per service, in its own schema. */
  readonly service: string;
  readonly topics: readonly string[];
  /** Progress in memory only: every start reads from the beginning. For tables that are kept in memory (API keys). Default false. */
  readonly replay?: boolean;
  /** Of those, what nobody waits for: its messages wake nobody, and come with others or with the next poll. */
  readonly unhurried?: readonly string[];
}

export interface MessageConsumer {
  /** Whether the last poll gave all that there was, and whoever listens will be woken by what comes. Without it nobody knows. */
  readonly isDrained?: boolean;
  /** The next messages not yet polled, oldest first; empty when there are none at the moment. */
  poll(limit: number): Promise<readonly IncomingMessage[]>;
  /** These are done. Saved at the latest with the next poll that finds nothing, and by `close`: after a crash some of them may come again. */
  acknowledge(messages: readonly IncomingMessage[]): Promise<void>;
  /** Missing messages of one key, from the owner, whatever the driver's retention. */
  fetch(
    key: Pick<MessageRef, 'topic' | 'orderingKey'>,
    from: bigint,
    limit: number,
  ): Promise<readonly IncomingMessage[]>;
  /** Calls `listener` when there may be something to poll. */
  onWake(listener: () => void): void;
  /** Messages published but not yet acknowledged by this consumer. */
  lag(): Promise<bigint>;
  close(): Promise<void>;
}
