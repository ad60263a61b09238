import type { IncomingMessage } from '../port.ts';

/** A record handed over and not known to be handled. */
export interface Entry {
  readonly log: PartitionLog;
  readonly offset: bigint;
  isDone: boolean;
}

/** Following one partition, from the moment it was assigned until it is taken away, or its thread is lost and taken up anew. */
export class PartitionLog {
  readonly topic: string;
  readonly partition: number;
  /** The offset that the next batch must begin with; `undefined` while it isn't decided where to begin: then nothing is taken. */
  next: bigint | undefined;
  /** Where a lost thread is taken up again, if the broker still has it. */
  readonly resumeAt: bigint | undefined;
  /** What the broker knows of the group's progress here. */
  committed: bigint | undefined;
  /** Whether somebody else, or a later life of this object, has the partition by now: what comes back from here counts for nothing. */
  isGone = false;
  /** In order of their offsets; what lies before `#first` is done. */
  #entries: Entry[] = [];
  #first = 0;

  constructor(topic: string, partition: number, resumeAt?: bigint) {
    this.topic = topic;
    this.partition = partition;
    this.resumeAt = resumeAt;
  }

  begin(at: bigint): void {
    this.next = at;
  }

  take(offset: bigint): Entry {
    const entry = { log: this, offset, isDone: false };
    this.#entries.push(entry);
    return entry;
  }

  /** Everything before this offset is handled: what can be committed. `undefined` before the beginning is decided. */
  get position(): bigint | undefined {
    while (this.#entries[this.#first]?.isDone) this.#first += 1;
    if (this.#first > COMPACT_AT && this.#first * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
    return this.#entries[this.#first]?.offset ?? this.next;
  }
}

const COMPACT_AT = 1_000;

export interface Buffered {
  readonly message: IncomingMessage;
  readonly entry: Entry;
}

/** So much is read ahead, and one answer of the broker more. */
const MESSAGES_MAX = 5_000;

/** What has arrived and wasn't polled, in the order of arrival. */
export class ArrivalBuffer {
  #arrived: Buffered[] = [];
  #first = 0;
  #room = new AbortController();

  get size(): number {
    return this.#arrived.length - this.#first;
  }

  get hasRoom(): boolean {
    return this.size < MESSAGES_MAX;
  }

  /** Aborts when there is room again, or when nobody needs it any more. */
  get room(): AbortSignal {
    return this.#room.signal;
  }

  push(arrived: Buffered): void {
    this.#arrived.push(arrived);
  }

  /** The oldest ones; without those whose partition is gone. */
  take(limit: number): Buffered[] {
    const taken: Buffered[] = [];
    while (taken.length < limit && this.#first < this.#arrived.length) {
      const next = this.#arrived[this.#first++]!;
      if (!next.entry.log.isGone) taken.push(next);
    }
    if (this.#first === this.#arrived.length || this.#first > MESSAGES_MAX) {
      this.#arrived = this.#arrived.slice(this.#first);
      this.#first = 0;
    }
    if (this.hasRoom) this.#makeRoom();
    return taken;
  }

  clear(): void {
    this.#arrived = [];
    this.#first = 0;
    this.#makeRoom();
  }

  #makeRoom(): void {
    const full = this.#room;
    this.#room = new AbortController();
    full.abort('room');
  }
}
