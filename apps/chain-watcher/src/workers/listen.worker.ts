import { NodeError, type PushFeed } from '@finality/bitcoin-node';
import type { Instant, Worker } from '@finality/kernel';
import { type Progress, waitingForNode, type WorkerContext } from './context.ts';

/** Within a step: what stops the service waits for it. */
const WAIT_MS_MAX = 500;
/** A node that offers nothing, or can't be listened to, is asked again after so long. */
const ASK_AGAIN_MS = 60_000;

/**
 * Listens to the node in whatever way it offers. What it says moves nobody by itself: it wakes the other workers, who ask. Where it offers
 * nothing they poll.
 */
export class Listen implements Worker {
  readonly name = 'listen';
  readonly pollMs: number;
  readonly #context: WorkerContext;
  #feed: PushFeed | undefined;
  #askAgainAt: Instant | undefined;

  constructor(context: WorkerContext) {
    this.#context = context;
    this.pollMs = context.pollMs;
  }

  async step(): Promise<Progress> {
    const { runtime, hints } = this.#context;
    if (!this.#feed) {
      if (this.#askAgainAt !== undefined && runtime.now() < this.#askAgainAt) return 'idle';
      this.#askAgainAt = (runtime.now() + ASK_AGAIN_MS) as Instant;
      return waitingForNode(this.#context, () => this.#open());
    }
    try {
      const { chain, arrived, missed } = await this.#feed.next(Math.min(WAIT_MS_MAX, this.pollMs));
      hints.add(arrived, missed);
      return chain || missed || arrived.length > 0 ? 'progress' : 'idle';
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
      this.#context.log.warn({ error: error.message }, 'the bitcoin node isn’t heard any more: polling');
      this.close();
      return 'progress';
    }
  }

  /** Whatever was said until now was said to nobody. */
  async #open(): Promise<Progress> {
    const { nodes, hints, log, status } = this.#context;
    this.#feed = await nodes.use((node) => node.openPush());
    if (!this.#feed) return 'idle';
    hints.channel = this.#feed.channel;
    hints.add([], true);
    status.channel(hints.channel);
    log.info({ channel: hints.channel }, 'listening to the bitcoin node');
    return 'progress';
  }

  close(): void {
    this.#feed?.close();
    this.#feed = undefined;
    this.#context.hints.channel = 'polling';
    this.#context.status.channel('polling');
  }
}
