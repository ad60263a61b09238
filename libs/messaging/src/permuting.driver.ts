import type { ConsumerOptions, IncomingMessage, MessageConsumer, MessageDriver } from './port.ts';

export interface PermutingOptions {
  /** Uniform in [0, 1). The same sequence of numbers gives the same deliveries. */
  readonly random: () => number;
  /** Chance, per message delivered, that one delivered before (acknowledged or not) comes again. Default 0.2. */
  readonly repeatProbability?: number;
  /** Chance, per message, that the rest is held back until a later poll. Default 0.05. */
  readonly holdProbability?: number;
}

const REPEAT_DEFAULT = 0.2;
const HOLD_DEFAULT = 0.05;
/** Of so many messages delivered last, any may come again. */
const REMEMBERED_MAX = 500;

/**
 * For tests and the simulation: delivers what another driver delivers in another order and more than once. What the contract promises stays: the
 * first deliveries of one key come in order.
 */
export class PermutingDriver implements MessageDriver {
  readonly #inner: MessageDriver;
  readonly #options: PermutingOptions;

  constructor(inner: MessageDriver, options: PermutingOptions) {
    this.#inner = inner;
    this.#options = options;
  }

  consumer(options: ConsumerOptions): MessageConsumer {
    return new PermutingConsumer(this.#inner.consumer(options), this.#options);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

class PermutingConsumer implements MessageConsumer {
  readonly #inner: MessageConsumer;
  readonly #options: PermutingOptions;
  readonly #waiting = new Map<string, IncomingMessage[]>();
  readonly #delivered: IncomingMessage[] = [];

  constructor(inner: MessageConsumer, options: PermutingOptions) {
    this.#inner = inner;
    this.#options = options;
  }

  async poll(limit: number): Promise<readonly IncomingMessage[]> {
    for (const message of await this.#inner.poll(limit)) this.#wait(message);
    const { random, repeatProbability = REPEAT_DEFAULT, holdProbability = HOLD_DEFAULT } = this.#options;
    const messages: IncomingMessage[] = [];
    while (messages.length < limit && this.#waiting.size > 0) {
      messages.push(this.#take());
      if (messages.length < limit && random() < repeatProbability) messages.push(this.#repeat());
      if (random() < holdProbability) break;
    }
    return messages;
  }

  acknowledge(messages: readonly IncomingMessage[]): Promise<void> {
    return this.#inner.acknowledge(messages);
  }

  fetch(...args: Parameters<MessageConsumer['fetch']>): Promise<readonly IncomingMessage[]> {
    return this.#inner.fetch(...args);
  }

  onWake(listener: () => void): void {
    this.#inner.onWake(listener);
  }

  lag(): Promise<bigint> {
    return this.#inner.lag();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #wait(message: IncomingMessage): void {
    const key = `${message.topic} ${message.orderingKey}`;
    const queue = this.#waiting.get(key);
    if (queue) queue.push(message);
    else this.#waiting.set(key, [message]);
  }

  /** The next message of a key chosen at random. */
  #take(): IncomingMessage {
    const keys = [...this.#waiting.keys()];
    const key = keys[this.#below(keys.length)]!;
    const queue = this.#waiting.get(key)!;
    const message = queue.shift()!;
    if (queue.length === 0) this.#waiting.delete(key);
    this.#delivered.push(message);
    if (this.#delivered.length > REMEMBERED_MAX) this.#delivered.shift();
    return message;
  }

  #repeat(): IncomingMessage {
    return this.#delivered[this.#below(this.#delivered.length)]!;
  }

  #below(bound: number): number {
    return Math.min(bound - 1, Math.floor(this.#options.random() * bound));
  }
}
