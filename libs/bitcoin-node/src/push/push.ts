import type { Txid } from '@finality/bitcoin';
import type { Runtime } from '@finality/kernel';
import type { NodeError } from '../node-errors.ts';

/** What a node has told unasked since it was last looked at. Hints only: whoever gets one asks, and believes the answer. */
export interface PushNews {
  /** Its chain may have changed. */
  readonly chain: boolean;
  /** Transactions that have come into its mempool. */
  readonly arrived: readonly Txid[];
  /** Something was missed: look at everything. */
  readonly missed: boolean;
}

/** A connection on which a node tells what happens. */
export interface PushFeed {
  readonly channel: 'zmq' | 'websocket';
  /**
   * What has come since the last call; where that is nothing, waits for something, for at most `waitMs`.
   * @throws NodeError once the connection is lost: another feed has to be opened
   */
  next(waitMs: number): Promise<PushNews>;
  close(): void;
}

/** More than that at once: the mempool is listed instead. */
const ARRIVED_MAX = 20_000;

/** Gathers what comes in until somebody looks. */
export class PushInbox {
  readonly #runtime: Runtime;
  #chain = false;
  #missed = false;
  #arrived = new Set<Txid>();
  #lost: NodeError | undefined;
  #waiting: AbortController | undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  chainChanged(): void {
    this.#chain = true;
    this.#waiting?.abort();
  }

  transactionArrived(txid: Txid): void {
    if (this.#arrived.size < ARRIVED_MAX) this.#arrived.add(txid);
    else this.#missed = true;
    this.#waiting?.abort();
  }

  messagesMissed(): void {
    this.#missed = true;
    this.#waiting?.abort();
  }

  lost(error: NodeError): void {
    this.#lost ??= error;
    this.#waiting?.abort();
  }

  async next(waitMs: number): Promise<PushNews> {
    if (!this.#hasNews()) {
      this.#waiting = new AbortController();
      await this.#runtime.sleep(waitMs, this.#waiting.signal);
      this.#waiting = undefined;
    }
    if (this.#lost) throw this.#lost;
    const news = { chain: this.#chain, arrived: [...this.#arrived], missed: this.#missed };
    this.#chain = false;
    this.#missed = false;
    this.#arrived = new Set();
    return news;
  }

  #hasNews(): boolean {
    return this.#chain || this.#missed || this.#arrived.size > 0 || this.#lost !== undefined;
  }
}
