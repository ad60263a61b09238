import type { Head } from './batch.ts';

/** The state of a stream; of version 0 when nothing has happened to it. */
export interface KnownState {
  readonly version: number;
  readonly state: unknown;
}

/** Twice as many settlements as wait for their screening at a time. */
const STATES_MAX = 4_096;

/**
 * What the batches before have left in memory: states of streams, and what the handler keeps for itself. All of it is true where the log ends as it did
 * after the last of them, which the chained hash of its last event says of everything before it; a batch compares that under the store's lock,
 * and whoever else has appended something meanwhile empties it.
 */
export class Recent {
  #head: Head | undefined;
  /** In the order in which they were last used. */
  readonly #states = new Map<string, KnownState>();
  #memory = new Map<unknown, unknown>();

  /** Where the log ended; undefined when nothing is known. */
  get head(): Head | undefined {
    return this.#head;
  }

  /** The handler's own, by whatever it calls it. */
  get memory(): Map<unknown, unknown> {
    return this.#memory;
  }

  state(stream: string): KnownState | undefined {
    return this.#states.get(stream);
  }

  /** The log ends there now, under the lock. @returns whether that is what was known */
  found(head: Head): boolean {
    if (this.#head !== undefined && sameHead(this.#head, head)) return true;
    this.forget();
    this.#head = head;
    return false;
  }

  /** A batch is stored, after which the log ends there; so are the streams that it has read and changed. Those that are over are forgotten. */
  stored(head: Head, states: Iterable<readonly [string, KnownState & { readonly isOver: boolean }]>): void {
    this.#head = head;
    for (const [stream, { version, state, isOver }] of states) {
      this.#states.delete(stream);
      if (!isOver) this.#states.set(stream, { version, state });
    }
    let surplus = this.#states.size - STATES_MAX;
    for (const stream of this.#states.keys()) {
      if (surplus-- <= 0) break;
      this.#states.delete(stream);
    }
  }

  /** Nothing is known any more: something went wrong, or somebody else writes. */
  forget(): void {
    this.#head = undefined;
    this.#states.clear();
    // Another map: a batch that has guessed wrong may still hold the one before.
    this.#memory = new Map();
  }
}

const sameHead = (a: Head, b: Head): boolean =>
  a.position === b.position && a.epoch === b.epoch && a.hash.equals(b.hash);
