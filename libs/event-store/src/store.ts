import { refusal, type Runtime } from '@finality/kernel';
import type { Pool } from 'pg';
import { isNote, type Item } from './decide.ts';
import { StoreUnavailable } from './errors.ts';
import type { MessageDraft } from './batch.ts';
import type { Faults } from './faults.ts';
import type { Change, CommandHandler, EventStore, InboxNote, Outcome, StoreCommand } from './port.ts';
import { type QueueEntry, StoreQueue } from './queue.ts';
import { Recent } from './recent.ts';
import { TIMEOUTS_DEFAULT, type TransactionTimeouts } from './session.ts';
import { type Committed, runTransaction, type TransactionOptions } from './transaction.ts';
import type { Writer } from './writer.ts';

export interface EventStoreOptions<Body, World, Reply> {
  /** Connections as the service's role. One of them appends at a time. */
  readonly pool: Pool;
  readonly schema: string;
  /** `settlement`: the source in the envelope of what it publishes. */
  readonly service: string;
  readonly handler: CommandHandler<Body, World, Reply>;
  readonly runtime: Runtime;
  readonly limits?: Partial<StoreLimits>;
  readonly timeouts?: Partial<TransactionTimeouts>;
  readonly faults?: Faults;
  /** Where several processes share the store: only the one that has its lease appends. Without it anybody may. */
  readonly writer?: Pick<Writer, 'lease' | 'superseded'>;
  /** Told about every committed batch, in their order. Mustn't throw. */
  readonly onBatch?: (batch: BatchReport) => void;
}

export interface StoreLimits {
  /** Commands decided in one transaction. */
  readonly batchCommandsMax: number;
  /** Commands waiting; past it they are refused as `resource_exhausted`, to be tried again. */
  readonly queueCommandsMax: number;
}

export interface BatchReport {
  readonly commands: number;
  readonly durationMs: number;
  /** Position of the last event before the batch. */
  readonly after: bigint;
  /** What has happened, in position order. */
  readonly changes: readonly Change[];
  /** What was published, in the order of the log. */
  readonly messages: readonly MessageDraft[];
}

export const STORE_LIMITS_DEFAULT: StoreLimits = { batchCommandsMax: 1_000, queueCommandsMax: 20_000 };

/**
 * The store of a service: its schema in Postgres (DESIGN 4). Commands that arrive while a batch is on its way make the next batch; nothing else waits
 * for company.
 */
export class PostgresEventStore<Body, World, Reply> implements EventStore<Body, Reply> {
  readonly #transaction: TransactionOptions<Body, World, Reply>;
  readonly #limits: StoreLimits;
  readonly #queue: StoreQueue<Body, Reply>;
  readonly #onBatch: (batch: BatchReport) => void;
  #draining: Promise<void> | undefined;

  constructor(options: EventStoreOptions<Body, World, Reply>) {
    const { limits, timeouts, onBatch, ...transaction } = options;
    this.#transaction = { ...transaction, timeouts: { ...TIMEOUTS_DEFAULT, ...timeouts }, recent: new Recent() };
    this.#limits = { ...STORE_LIMITS_DEFAULT, ...limits };
    this.#queue = new StoreQueue(this.#limits.queueCommandsMax);
    this.#onBatch = onBatch ?? (() => undefined);
  }

  /** Commands waiting for their batch. */
  get queued(): number {
    return this.#queue.length;
  }

  execute(commands: readonly (StoreCommand<Body> | InboxNote)[]): Promise<readonly Outcome<Reply>[]> {
    if (commands.length === 0) return Promise.resolve([]);
    const outcomes = this.#queue.add(commands);
    if (!outcomes) return Promise.resolve(commands.map(() => ({ kind: 'refused', refusal: QUEUE_FULL })));
    this.#draining ??= this.#drain();
    return outcomes;
  }

  /** Resolves when nothing is under way: for shutting down. */
  async idle(): Promise<void> {
    await this.#draining;
  }

  /** Never rejects: whatever happens to a batch is told to those who wait for it. */
  async #drain(): Promise<void> {
    // Those who ask in the same turn of the event loop share the first batch: what came over several topics, or calls.
    await this.#transaction.runtime.sleep(0);
    while (this.#queue.length > 0) {
      const entries = this.#queue.take(this.#limits.batchCommandsMax);
      await this.#decide(entries);
    }
    this.#draining = undefined;
  }

  /** Decides these entries, in halves when their transaction can't be handled as a whole: each half less, down to the culprit. */
  async #decide(entries: readonly QueueEntry<Body, Reply>[]): Promise<void> {
    if (entries.length === 0) return;
    const { runtime } = this.#transaction;
    const startedMs = runtime.monotonicMs();
    let committed: Committed<Reply>;
    try {
      committed = await runTransaction(
        this.#transaction,
        entries.map((entry) => entry.item),
      );
    } catch (error) {
      return this.#recover(entries, error);
    }
    const deferred = entries.filter((entry, i) => {
      const outcome = committed.outcomes[i];
      if (outcome !== undefined && outcome !== 'deferred') entry.settle(outcome);
      return outcome === 'deferred';
    });
    this.#queue.putBack(deferred);
    this.#onBatch({
      commands: entries.length,
      durationMs: runtime.monotonicMs() - startedMs,
      after: committed.after,
      changes: committed.changes,
      messages: committed.messages,
    });
  }

  async #recover(entries: readonly QueueEntry<Body, Reply>[], error: unknown): Promise<void> {
    if (error instanceof StoreUnavailable) {
      for (const entry of entries) entry.fail(error);
      return;
    }
    const [only] = entries;
    if (entries.length === 1 && only) return this.#isolate(only, error);
    const middle = Math.ceil(entries.length / 2);
    await this.#decide(entries.slice(0, middle));
    await this.#decide(entries.slice(middle).filter((entry) => !entry.failed));
  }

  /** The culprit, alone: a message is parked with the cause, anything else has failed. */
  async #isolate(entry: QueueEntry<Body, Reply>, cause: unknown): Promise<void> {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    const note = parkingNote(entry.item, error);
    if (!note) return entry.settle({ kind: 'failed', error });
    try {
      const { outcomes } = await runTransaction(this.#transaction, [note]);
      const [outcome] = outcomes;
      if (outcome === undefined || outcome === 'deferred') throw new Error('an inbox note has an outcome');
      entry.settle(outcome);
    } catch (failure) {
      entry.fail(
        failure instanceof StoreUnavailable
          ? failure
          : new StoreUnavailable(`a message couldn't be parked: ${String(failure)}`, failure),
      );
    }
  }
}

/** About as long as a full queue takes. */
const QUEUE_FULL_MS = 2_000;
const QUEUE_FULL = refusal('resource_exhausted', 'STORE_BUSY', 'too many requests are waiting; try again later', {
  retryable: true,
  retryAfterMs: QUEUE_FULL_MS,
});

function parkingNote<Body>(item: Item<Body>, error: Error): InboxNote | undefined {
  if (!item.message) return undefined;
  const cause = isNote(item) && item.note.kind === 'park' ? item.note.cause : `${error.name}: ${error.message}`;
  return { message: item.message, cause: item.cause, note: { kind: 'park', cause } };
}
