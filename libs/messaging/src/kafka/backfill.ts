import type { Runtime } from '@finality/kernel';
import type { Cursor } from '../cursors.ts';
import { Progress } from '../cursors.ts';
import type { IncomingMessage } from '../port.ts';
import type { KafkaLog } from './connection.ts';
import type { OwnerMessages } from './owner-messages.ts';

const PAGE_MESSAGES_MAX = 1_000;
/** An owner that can't be reached is left alone for a while; the other topics go on. */
const RETRY_MS = 1_000;

/** Reading a topic from its owner, in the owner's order, until it has no more. */
export class Backfill {
  readonly topic: string;
  readonly #progress: Progress;
  readonly #owners: OwnerMessages;
  readonly #runtime: Runtime;
  readonly #log: KafkaLog | undefined;
  #isExhausted = false;
  #retryAtMs = -Infinity;

  constructor(
    topic: string,
    from: Cursor,
    options: { readonly owners: OwnerMessages; readonly runtime: Runtime; readonly log?: KafkaLog },
  ) {
    this.topic = topic;
    this.#progress = new Progress(topic, from);
    this.#owners = options.owners;
    this.#runtime = options.runtime;
    this.#log = options.log;
  }

  get progress(): Progress {
    return this.#progress;
  }

  /** Whether the owner had no more when it was asked last. */
  get isExhausted(): boolean {
    return this.#isExhausted;
  }

  /** Whether all that the owner had is handled: what comes after it has come into the topic after the backfill began. */
  get isDone(): boolean {
    return this.#isExhausted && this.#progress.isAcknowledged;
  }

  /** @throws what the owner's call threw */
  async poll(limit: number): Promise<readonly IncomingMessage[]> {
    const asked = Math.min(limit, PAGE_MESSAGES_MAX);
    const page = await this.#owners.list(this.topic, this.#progress.polled, asked);
    for (const message of page) this.#progress.poll(message);
    this.#isExhausted = page.length === 0;
    return page;
  }

  /** Nothing while the owner can't be reached: it is asked again after a pause. */
  async tryPoll(limit: number): Promise<readonly IncomingMessage[]> {
    if (this.#runtime.monotonicMs() < this.#retryAtMs) return [];
    try {
      return await this.poll(limit);
    } catch (error) {
      this.#retryAtMs = this.#runtime.monotonicMs() + RETRY_MS;
      const cause = error instanceof Error ? error.message : String(error);
      this.#log?.warn({ topic: this.topic, cause }, 'the owner of a topic can’t be asked for its history');
      return [];
    }
  }
}

/** How many messages an owner has after a place; `isAll` when that is the exact number. */
export async function countAfter(
  owners: OwnerMessages,
  topic: string,
  after: Cursor,
): Promise<{ readonly count: bigint; readonly isAll: boolean }> {
  const page = await owners.list(topic, after, PAGE_MESSAGES_MAX);
  return { count: BigInt(page.length), isAll: page.length < PAGE_MESSAGES_MAX };
}
