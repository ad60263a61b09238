import type { Outcome } from '@finality/event-store';
import { assert, type Worker } from '@finality/kernel';
import type { IncomingMessage, MessageConsumer } from './port.ts';

/** What a topic's messages are handed to: resolves with one outcome per message, in their order; rejects when nothing is known (tried again). */
export type TopicHandler = (messages: readonly IncomingMessage[]) => Promise<readonly Outcome<unknown>[]>;

export interface ConsumerWorkerOptions {
  readonly name: string;
  readonly consumer: MessageConsumer;
  readonly handlerOf: (topic: string) => TopicHandler;
  /** Messages per step. Default 500. */
  readonly messagesMax?: number;
  readonly pollMs?: number;
}

const MESSAGES_MAX_DEFAULT = 500;
const POLL_MS_DEFAULT = 250;
const GAP_PAGE_MESSAGES = 500;
const GAP_PAGES_MAX = 2_000;

/**
 * Polls, hands over, fetches what is missing, then acknowledges: save, then acknowledge. An error leaves its topic's messages unacknowledged and is
 * thrown on: the next step begins with them.
 */
export class ConsumerWorker implements Worker {
  readonly name: string;
  readonly pollMs: number;
  /** What arrives is what it is woken for. */
  readonly restMs = 0;
  readonly #consumer: MessageConsumer;
  readonly #handlerOf: (topic: string) => TopicHandler;
  readonly #messagesMax: number;
  #pending: readonly IncomingMessage[] = [];

  constructor(options: ConsumerWorkerOptions) {
    this.name = options.name;
    this.pollMs = options.pollMs ?? POLL_MS_DEFAULT;
    this.#consumer = options.consumer;
    this.#handlerOf = options.handlerOf;
    this.#messagesMax = options.messagesMax ?? MESSAGES_MAX_DEFAULT;
  }

  get isDrained(): boolean {
    return this.#pending.length === 0 && this.#consumer.isDrained === true;
  }

  async step(): Promise<'progress' | 'idle'> {
    if (this.#pending.length === 0) this.#pending = await this.#consumer.poll(this.#messagesMax);
    if (this.#pending.length === 0) return 'idle';
    const byTopic = Map.groupBy(this.#pending, (message) => message.topic);
    // Together: they share a batch of the store, or one that is waited for anyway.
    const handled = await Promise.allSettled([...byTopic].map(([topic, messages]) => this.#handle(topic, messages)));
    const topics = [...byTopic.keys()];
    const isDone = ({ topic }: IncomingMessage): boolean => handled[topics.indexOf(topic)]!.status === 'fulfilled';
    await this.#consumer.acknowledge(this.#pending.filter(isDone));
    this.#pending = this.#pending.filter((message) => !isDone(message));
    const failed = handled.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
    return 'progress';
  }

  /** Calls `listener` when there may be something to do. */
  onWake(listener: () => void): void {
    this.#consumer.onWake(listener);
  }

  /** Messages published but not acknowledged. */
  lag(): Promise<bigint> {
    return this.#consumer.lag();
  }

  close(): Promise<void> {
    return this.#consumer.close();
  }

  async #handle(topic: string, messages: readonly IncomingMessage[]): Promise<void> {
    const outcomes = await this.#handOver(topic, messages);
    const gaps = new Map<string, { expected: bigint; until: bigint }>();
    outcomes.forEach((outcome, i) => {
      const message = messages[i]!;
      if (outcome.kind !== 'gap') return;
      const gap = gaps.get(message.orderingKey);
      if (!gap) gaps.set(message.orderingKey, { expected: outcome.expected, until: message.sequence });
      else if (message.sequence > gap.until) gap.until = message.sequence;
    });
    for (const [orderingKey, { expected, until }] of gaps) await this.#fill({ topic, orderingKey }, expected, until);
  }

  /** Missing messages of a key from its owner, up to and with the one that showed the gap. */
  async #fill(
    key: { readonly topic: string; readonly orderingKey: string },
    expected: bigint,
    until: bigint,
  ): Promise<void> {
    let next = expected;
    for (let page = 0; page < GAP_PAGES_MAX && next <= until; page++) {
      const missing = await this.#consumer.fetch(key, next, GAP_PAGE_MESSAGES);
      const last = missing.at(-1);
      if (!last)
        throw new Error(
          `${key.topic} ${key.orderingKey}: the owner has no message from ${next} on, though ${until} was delivered`,
        );
      const outcomes = await this.#handOver(key.topic, missing);
      const open = outcomes.find((outcome) => outcome.kind === 'gap');
      if (open?.kind === 'gap')
        throw new Error(`${key.topic} ${key.orderingKey}: ${open.expected} is missing in the log of its owner`);
      next = last.sequence + 1n;
    }
    if (next <= until)
      throw new Error(
        `${key.topic} ${key.orderingKey}: ${until - next + 1n} messages still missing after ${GAP_PAGES_MAX} pages`,
      );
  }

  async #handOver(topic: string, messages: readonly IncomingMessage[]): Promise<readonly Outcome<unknown>[]> {
    const outcomes: readonly Outcome<unknown>[] = await this.#handlerOf(topic)(messages);
    assert(
      isList(outcomes) && outcomes.length === messages.length,
      `the handler of ${topic} answers each of its ${messages.length} messages with an outcome`,
    );
    for (const outcome of outcomes) assertKept(topic, outcome);
    return outcomes;
  }
}

/** A handler behind Nest is typed by its author's good will only. */
function isList(value: unknown): boolean {
  return Array.isArray(value);
}

/** Everything but these is on record in the inbox. */
function assertKept(topic: string, outcome: Outcome<unknown>): void {
  if (outcome.kind === 'failed') throw outcome.error;
  if (outcome.kind === 'refused')
    throw new Error(`a message of ${topic} was refused: ${outcome.refusal.reason}: ${outcome.refusal.message}`);
}
