import type { Item } from './decide.ts';
import type { Outcome } from './port.ts';

/** One command on its way, and who waits for it. */
export interface QueueEntry<Body, Reply> {
  readonly item: Item<Body>;
  /** Whether the call that it belongs to has been rejected: nobody waits any more, and what came after mustn't overtake. */
  readonly failed: boolean;
  settle(outcome: Outcome<Reply>): void;
  fail(error: Error): void;
}

/** Commands waiting for their batch, first in, first out. Bounded. */
export class StoreQueue<Body, Reply> {
  readonly #entriesMax: number;
  #entries: QueueEntry<Body, Reply>[] = [];

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get length(): number {
    return this.#entries.length;
  }

  /**
   * Takes a call's commands in.
   * @returns their outcomes, in order; `undefined` when there is no room (a call larger than the whole queue gets in when it is empty)
   */
  add(items: readonly Item<Body>[]): Promise<readonly Outcome<Reply>[]> | undefined {
    if (this.#entries.length > 0 && this.#entries.length + items.length > this.#entriesMax) return undefined;
    return new Promise((resolve, reject) => {
      const call = new Call<Reply>(items.length, resolve, reject);
      items.forEach((item, index) => this.#entries.push(new Entry(item, call, index)));
    });
  }

  take(count: number): QueueEntry<Body, Reply>[] {
    return this.#entries.splice(0, count).filter((entry) => !entry.failed);
  }

  putBack(entries: readonly QueueEntry<Body, Reply>[]): void {
    if (entries.length > 0) this.#entries = [...entries, ...this.#entries];
  }
}

class Call<Reply> {
  readonly #outcomes: Outcome<Reply>[];
  readonly #resolve: (outcomes: readonly Outcome<Reply>[]) => void;
  readonly #reject: (error: Error) => void;
  #open: number;
  failed = false;

  constructor(size: number, resolve: (outcomes: readonly Outcome<Reply>[]) => void, reject: (error: Error) => void) {
    this.#outcomes = new Array<Outcome<Reply>>(size);
    this.#open = size;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  settle(index: number, outcome: Outcome<Reply>): void {
    this.#outcomes[index] = outcome;
    this.#open -= 1;
    if (this.#open === 0) this.#resolve(this.#outcomes);
  }

  fail(error: Error): void {
    this.failed = true;
    this.#reject(error);
  }
}

class Entry<Body, Reply> implements QueueEntry<Body, Reply> {
  readonly item: Item<Body>;
  readonly #call: Call<Reply>;
  readonly #index: number;

  constructor(item: Item<Body>, call: Call<Reply>, index: number) {
    this.item = item;
    this.#call = call;
    this.#index = index;
  }

  get failed(): boolean {
    return this.#call.failed;
  }

  settle(outcome: Outcome<Reply>): void {
    this.#call.settle(this.#index, outcome);
  }

  fail(error: Error): void {
    this.#call.fail(error);
  }
}
