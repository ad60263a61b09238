import type { MessageRef } from '@finality/event-store';
import type { IncomingMessage, MessageConsumer } from '../port.ts';

/** Several ways to get messages as one consumer: each has topics of its own. */
export class MixedConsumer implements MessageConsumer {
  readonly #parts: readonly MessageConsumer[];
  readonly #partOf: (topic: string) => MessageConsumer;
  #turn = 0;

  constructor(parts: readonly MessageConsumer[], partOf: (topic: string) => MessageConsumer) {
    this.#parts = parts;
    this.#partOf = partOf;
  }

  /** What one part has is never lost, and never late, because another one fails: that one's error comes when there is nothing else. */
  async poll(limit: number): Promise<readonly IncomingMessage[]> {
    const messages: IncomingMessage[] = [];
    let failure: { readonly error: unknown } | undefined;
    for (let i = 0; i < this.#parts.length && messages.length < limit; i++) {
      const part = this.#parts[(this.#turn + i) % this.#parts.length]!;
      try {
        messages.push(...(await part.poll(limit - messages.length)));
      } catch (error) {
        failure ??= { error };
      }
    }
    this.#turn += 1;
    if (failure && messages.length === 0) throw failure.error;
    return messages;
  }

  async acknowledge(messages: readonly IncomingMessage[]): Promise<void> {
    for (const part of this.#parts) {
      const of = messages.filter(({ topic }) => this.#partOf(topic) === part);
      if (of.length > 0) await part.acknowledge(of);
    }
  }

  fetch(
    key: Pick<MessageRef, 'topic' | 'orderingKey'>,
    from: bigint,
    limit: number,
  ): Promise<readonly IncomingMessage[]> {
    return this.#partOf(key.topic).fetch(key, from, limit);
  }

  onWake(listener: () => void): void {
    for (const part of this.#parts) part.onWake(listener);
  }

  async lag(): Promise<bigint> {
    let lag = 0n;
    for (const part of this.#parts) lag += await part.lag();
    return lag;
  }

  async close(): Promise<void> {
    for (const part of this.#parts) await part.close();
  }
}
