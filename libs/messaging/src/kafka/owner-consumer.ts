import type { MessageRef } from '@finality/event-store';
import type { Runtime } from '@finality/kernel';
import { START } from '../cursors.ts';
import type { IncomingMessage, MessageConsumer } from '../port.ts';
import { Backfill, countAfter } from './backfill.ts';
import type { OwnerMessages } from './owner-messages.ts';

/**
 * Replays topics from the beginning, and goes on: by asking their owners. A broker's log could be compacted, cut or behind, and a group would stay
 * there for each start; the owner's answer is complete at once, so that an empty poll means that there was no more. Nothing wakes it: it is to be polled.
 */
export class OwnerConsumer implements MessageConsumer {
  readonly #owners: OwnerMessages;
  readonly #topics: readonly Backfill[];
  #turn = 0;
  #isClosed = false;

  constructor(topics: readonly string[], options: { readonly owners: OwnerMessages; readonly runtime: Runtime }) {
    this.#owners = options.owners;
    this.#topics = topics.map((topic) => new Backfill(topic, START, options));
  }

  async poll(limit: number): Promise<readonly IncomingMessage[]> {
    if (this.#isClosed) throw new Error('the consumer is closed');
    const messages: IncomingMessage[] = [];
    for (let i = 0; i < this.#topics.length && messages.length < limit; i++) {
      const topic = this.#topics[(this.#turn + i) % this.#topics.length]!;
      messages.push(...(await topic.poll(limit - messages.length)));
    }
    this.#turn += 1;
    return messages;
  }

  acknowledge(messages: readonly IncomingMessage[]): Promise<void> {
    for (const { progress } of this.#topics) {
      for (const message of messages) if (message.topic === progress.topic) progress.acknowledge(message);
      progress.advance();
    }
    return Promise.resolve();
  }

  fetch(
    key: Pick<MessageRef, 'topic' | 'orderingKey'>,
    from: bigint,
    limit: number,
  ): Promise<readonly IncomingMessage[]> {
    return this.#owners.ofKey(key, from, limit);
  }

  onWake(): void {
    // See above.
  }

  /** Exact as long as it is small. */
  async lag(): Promise<bigint> {
    let lag = 0n;
    for (const { topic, progress } of this.#topics) {
      lag += (await countAfter(this.#owners, topic, progress.acknowledged)).count;
    }
    return lag;
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return Promise.resolve();
  }
}
