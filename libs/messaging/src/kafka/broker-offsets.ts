import type { Runtime } from '@finality/kernel';
import type { SharedAdmin } from './connection.ts';

/** What a broker has of a partition, and how far the group says to have come. */
export interface PartitionOffsets {
  /** The first offset that is still there. */
  readonly low: bigint;
  /** The offset that the next record will get. */
  readonly high: bigint;
  readonly committed: bigint | undefined;
}

/** By topic, then by partition. */
export type GroupOffsets = ReadonlyMap<string, ReadonlyMap<number, PartitionOffsets>>;

const FRESH_MS = 1_000;

/** What the broker knows about a group and its topics. */
export class BrokerOffsets {
  readonly #admin: SharedAdmin;
  readonly #groupId: string;
  readonly #topics: readonly string[];
  readonly #runtime: Runtime;
  #cached: { readonly at: number; readonly offsets: Promise<GroupOffsets> } | undefined;

  constructor(admin: SharedAdmin, groupId: string, topics: readonly string[], runtime: Runtime) {
    this.#admin = admin;
    this.#groupId = groupId;
    this.#topics = topics;
    this.#runtime = runtime;
  }

  async now(): Promise<GroupOffsets> {
    const topics = [...this.#topics];
    return this.#admin.use(async (admin) => {
      const [committed, ...ranges] = await Promise.all([
        admin.fetchOffsets({ groupId: this.#groupId, topics }),
        ...topics.map((topic) => admin.fetchTopicOffsets(topic)),
      ]);
      const ofTopic = new Map(committed.map(({ topic, partitions }) => [topic, partitions]));
      return new Map(
        topics.map((topic, i) => {
          const offsets = new Map(ofTopic.get(topic)?.map(({ partition, offset }) => [partition, BigInt(offset)]));
          return [topic, new Map(ranges[i]!.map((range) => [range.partition, partitionOffsets(range, offsets)]))];
        }),
      );
    });
  }

  /** At most a second old. */
  recent(): Promise<GroupOffsets> {
    const at = this.#runtime.monotonicMs();
    if (this.#cached && at - this.#cached.at < FRESH_MS) return this.#cached.offsets;
    const asked = { at, offsets: this.now() };
    this.#cached = asked;
    asked.offsets.catch(() => {
      if (this.#cached === asked) this.#cached = undefined;
    });
    return asked.offsets;
  }
}

/** Negative: the group has said nothing, or that it begins at the beginning. */
function partitionOffsets(
  range: { readonly partition: number; readonly low: string; readonly high: string },
  committed: ReadonlyMap<number, bigint>,
): PartitionOffsets {
  const said = committed.get(range.partition);
  return {
    low: BigInt(range.low),
    high: BigInt(range.high),
    committed: said !== undefined && said >= 0n ? said : undefined,
  };
}
