import { TOPICS } from '@finality/contracts';
import type { BatchReport } from '@finality/event-store';

/** Some seconds of them at most; a few MiB. */
const CHANGES_MAX = 4_000;

interface Place {
  readonly position: bigint;
  readonly ordinal: number;
}

/** A published change of a settlement. */
export interface PublishedChange extends Place {
  /** Whose business it is: ids divided by commas. */
  readonly institutions: string;
  /** SettlementChanged, encoded. */
  readonly payload: Uint8Array;
}

/**
 * What this process has published last, for those who watch: read from memory, however many they are. Batches follow each other without a gap, or
 * it begins anew: another process may have written in between, or this one without hearing that it had.
 */
export class RecentChanges {
  readonly #changesMax: number;
  #changes: PublishedChange[] = [];
  /** Everything between these two positions is here, the older one excluded. */
  #after: bigint | undefined;
  #newest: bigint | undefined;

  constructor(changesMax = CHANGES_MAX) {
    this.#changesMax = changesMax;
  }

  add({ after, changes, messages }: Pick<BatchReport, 'after' | 'changes' | 'messages'>): void {
    const newest = changes.at(-1)?.event.position;
    if (newest === undefined) return;
    if (after !== this.#newest) {
      this.#changes = [];
      this.#after = after;
    }
    this.#newest = newest;
    for (const { topic, position, ordinal, headers, payload } of messages) {
      if (topic !== TOPICS.settlement.name) continue;
      this.#changes.push({ position, ordinal, institutions: headers['ce_institutions'] ?? '', payload });
    }
    if (this.#changes.length > this.#changesMax) this.#forgetHalf();
  }

  /** The changes after a place, oldest first and at most so many; undefined when they aren't all here. What another process has written since isn't. */
  since(place: Place, max: number): readonly PublishedChange[] | undefined {
    // Of the position itself there may have been more than the place tells.
    if (this.#after === undefined || place.position <= this.#after) return undefined;
    const first = this.#changes.findLastIndex((change) => !isLater(change, place)) + 1;
    return this.#changes.slice(first, first + max);
  }

  #forgetHalf(): void {
    const after = this.#changes[Math.floor(this.#changes.length / 2)]!.position;
    this.#after = after;
    this.#changes = this.#changes.filter(({ position }) => position > after);
  }
}

const isLater = (change: Place, place: Place): boolean =>
  change.position > place.position || (change.position === place.position && change.ordinal > place.ordinal);
