import type { Cursor } from '../cursors.ts';
import { cursorOf } from '../cursors.ts';
import type { IncomingMessage } from '../port.ts';
import type { Backfill } from './backfill.ts';
import type { PartitionOffsets } from './broker-offsets.ts';
import { PartitionLog } from './partition-log.ts';

/** By partition. */
type TopicOffsets = ReadonlyMap<number, PartitionOffsets>;

/** How many messages of a topic aren't handled; `isLive` when the broker's numbers are all there is to it. */
export interface Behind {
  readonly isLive: boolean;
  readonly count: bigint;
}

/** The partitions that a member has from one rebalance to the next, and what is still to be read from their owners. By the catalogue's names. */
export class Assignment {
  readonly backfills = new Map<string, Backfill>();
  /** Whether somebody is about to decide where partitions begin. */
  isBeginning = false;
  readonly #logs = new Map<string, PartitionLog>();
  /** Where partitions that wait for a backfill go on after it. */
  readonly #ends = new Map<PartitionLog, bigint>();
  /** Up to there everything of a topic is handled. */
  readonly #handled = new Map<string, Cursor>();
  readonly #begun = new AbortController();
  #turn = 0;

  constructor(partitions: readonly { readonly topic: string; readonly partition: number }[]) {
    for (const { topic, partition } of partitions)
      this.#logs.set(keyOf(topic, partition), new PartitionLog(topic, partition));
  }

  log(topic: string, partition: number): PartitionLog | undefined {
    return this.#logs.get(keyOf(topic, partition));
  }

  /** Whether it is decided for each partition where it begins. */
  get hasBegun(): boolean {
    return [...this.#logs.values()].every((log) => this.#hasBegun(log));
  }

  /** Lets those partitions begin that haven't: where the group has come to, if the broker still has what is next; else after a backfill of their topic. */
  begin(
    offsetsOf: (topic: string) => TopicOffsets | undefined,
    cursors: ReadonlyMap<string, Cursor>,
  ): { readonly begun: readonly PartitionLog[]; readonly waiting: readonly PartitionLog[] } {
    const open = [...this.#logs.values()].filter((log) => !this.#hasBegun(log));
    const found = open.map((log) => {
      const offsets = offsetsOf(log.topic)?.get(log.partition);
      if (!offsets) throw new Error(`the broker says nothing about ${log.topic}, partition ${log.partition}`);
      return { log, offsets };
    });
    for (const [topic, cursor] of cursors) this.#handled.set(topic, cursor);
    for (const { log, offsets } of found) {
      const at = log.resumeAt ?? offsets.committed;
      log.committed = offsets.committed;
      if (at !== undefined && offsets.low <= at && at <= offsets.high) log.begin(at);
      else this.#ends.set(log, offsets.high);
    }
    return {
      begun: open.filter((log) => log.next !== undefined),
      waiting: open.filter((log) => log.next === undefined),
    };
  }

  /** Another one first each time: none can keep the others waiting by having a lot to read. */
  nextBackfills(): Backfill[] {
    const all = [...this.backfills.values()];
    const first = all.length === 0 ? 0 : this.#turn++ % all.length;
    return [...all.slice(first), ...all.slice(0, first)];
  }

  /** What was read from the owner is handled. @returns the partitions that begin */
  finish({ topic, progress }: Backfill): readonly PartitionLog[] {
    this.backfills.delete(topic);
    this.#handled.set(topic, progress.acknowledged);
    const waiting = [...this.#ends].filter(([log]) => log.topic === topic);
    for (const [log, end] of waiting) {
      log.begin(end);
      this.#ends.delete(log);
    }
    return waiting.map(([log]) => log);
  }

  /** Takes a partition up anew, at what isn't handled. */
  replace(log: PartitionLog): void {
    log.isGone = true;
    this.#logs.set(keyOf(log.topic, log.partition), new PartitionLog(log.topic, log.partition, log.position));
  }

  /** Whether it was handled before, from its owner. An older epoch's cursor says nothing about a newer one's positions. */
  hasBackfilled(message: IncomingMessage): boolean {
    const handled = this.#handled.get(message.topic);
    if (!handled || handled.epoch !== cursorOf(message).epoch) return false;
    const { position, ordinal } = message;
    return position < handled.position || (position === handled.position && ordinal <= handled.ordinal);
  }

  uncommitted(): { readonly log: PartitionLog; readonly offset: bigint }[] {
    return [...this.#logs.values()].flatMap((log) => {
      const offset = log.position;
      return offset === undefined || offset === log.committed ? [] : [{ log, offset }];
    });
  }

  /** `undefined` before it is decided where to begin. */
  behind(topic: string, offsets: TopicOffsets | undefined): Behind | undefined {
    if (!this.hasBegun) return undefined;
    const logs = [...this.#logs.values()].filter((log) => log.topic === topic);
    const isLive = !this.backfills.has(topic);
    const count = logs.reduce((sum, log) => {
      const of = offsets?.get(log.partition);
      const behind = of ? of.high - (log.position ?? of.low) : 0n;
      return behind > 0n ? sum + behind : sum;
    }, 0n);
    return { isLive, count };
  }

  /** Whether everything that the broker has has arrived, but for partitions that wait for a backfill. */
  hasReached(offsetsOf: (topic: string) => TopicOffsets | undefined): boolean {
    return [...this.#logs.values()].every((log) => {
      if (this.#ends.has(log)) return true;
      const high = offsetsOf(log.topic)?.get(log.partition)?.high;
      return high !== undefined && log.next !== undefined && log.next >= high;
    });
  }

  /** Aborts when it was decided for the first time. */
  get begun(): AbortSignal {
    return this.#begun.signal;
  }

  haveBegun(): void {
    this.#begun.abort('begun');
  }

  /** Its partitions belong to others, or to a later assignment. */
  end(): void {
    this.haveBegun();
    for (const log of this.#logs.values()) log.isGone = true;
  }

  #hasBegun(log: PartitionLog): boolean {
    return log.next !== undefined || this.#ends.has(log);
  }
}

/** The same for whoever isn't a member. */
export function groupBehind(offsets: TopicOffsets | undefined): Behind {
  const all = [...(offsets?.values() ?? [])];
  const isLive = all.every(({ committed }) => committed !== undefined);
  const count = all.reduce((sum, { low, high, committed }) => sum + high - (committed ?? low), 0n);
  return { isLive, count: count > 0n ? count : 0n };
}

const keyOf = (topic: string, partition: number): string => `${topic} ${partition}`;
