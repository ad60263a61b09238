import {
  acquireLease,
  type Lease,
  LeaseLost,
  type LeaseRef,
  type MessageRow,
  notifyChannel,
  pgTypes,
  poolQuery,
  quoteIdentifier,
  releaseLease,
} from '@finality/event-store';
import type { Runtime, Worker } from '@finality/kernel';
import type { Kafka } from 'kafkajs';
import type { Pool } from 'pg';
import { BusListener } from '../bus-listener.ts';
import { describeCluster } from './cluster.ts';
import { type KafkaConnection, kafkaClient, type KafkaLog, SharedAdmin } from './connection.ts';
import { kafkaErrorOf } from './problem.ts';
import { recordBytes } from './record.ts';
import { RelayProducer } from './relay-producer.ts';

export interface KafkaRelayOptions {
  readonly connection: KafkaConnection;
  /** Connections as the service's own role. One of them listens. */
  readonly pool: Pool;
  readonly schema: string;
  readonly runtime: Runtime;
  /**
   * The lease under which it works; `undefined` while this process holds none: then it is idle. Default: a lease of its own, named `relay`, that it
   * takes, prolongs and gives back by itself.
   */
  readonly lease?: () => LeaseRef | undefined;
  readonly onSent?: (count: number) => void;
  readonly log?: KafkaLog;
}

const LEASE_NAME = 'relay';
/** A process that died keeps the next one waiting for so long. */
const LEASE_TTL_MS = 4_000;
const POLL_MS = 1_000;
const BATCH_MESSAGES_MAX = 2_000;
/** A partition's part of a batch must stay under the broker's `message.max.bytes` (1 MiB unless set otherwise). */
const BATCH_BYTES_MAX = 768 * 1024;
/** Under load, what is published meanwhile makes the next batch bigger: fewer round trips for the same messages. */
const PAUSE_MS = 4;
/** How often it is made sure, while there is something to send, that the brokers are still the same cluster. */
const SAME_CLUSTER_MS = 1_000;
/** What is counted as lag, at most: behind that it doesn't matter any more. */
const LAG_MAX = 1_000_000;

interface Place {
  readonly position: bigint;
  readonly ordinal: number;
}

/**
 * Sends a service's published messages to Kafka in the order of its log (DESIGN 4): one batch at a time, acknowledged by all replicas in sync, then
 * progress is saved, by whoever holds the lease only. What is repeated after a crash, and by a process that doesn't know yet that its lease is gone,
 * is the last batch; consumers drop it by its sequences. Any failure throws and is tried again from the progress saved.
 */
export class KafkaRelay implements Worker {
  readonly name: string;
  readonly pollMs = POLL_MS;
  readonly restMs = 0;
  readonly #options: KafkaRelayOptions;
  readonly #table: string;
  readonly #holder: string;
  readonly #client: Kafka;
  readonly #admin: SharedAdmin;
  readonly #listeners: (() => void)[] = [];
  #unsubscribe: (() => void) | undefined;
  #own: Lease | undefined;
  #leaseFencing: bigint | undefined;
  #producer: RelayProducer | undefined;
  #sent: Place | undefined;
  #sentAtMs = -Infinity;
  #sameClusterAtMs = -Infinity;
  #isClosed = false;

  constructor(options: KafkaRelayOptions) {
    this.#options = options;
    this.name = `${options.connection.clientId}.relay`;
    this.#table = quoteIdentifier(options.schema);
    this.#holder = options.runtime.id();
    this.#client = kafkaClient(options.connection, options.log);
    this.#admin = new SharedAdmin(this.#client);
  }

  async step(): Promise<'progress' | 'idle'> {
    if (this.#isClosed) return 'idle';
    await this.#listen();
    const lease = await this.#lease();
    if (!lease) return 'idle';
    try {
      return await this.#relay(lease);
    } catch (error) {
      // What the broker has and which broker it is, is looked up anew.
      this.#disconnect();
      throw kafkaErrorOf(error, this.#options.connection.brokers);
    }
  }

  /** Calls `listener` when there may be something to send. */
  onWake(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Messages published but not sent, or not known to be sent, to this cluster; counted up to a million. Doesn't need the broker once it was connected. */
  async lag(): Promise<bigint> {
    const after = this.#sent ?? (await this.#furthest());
    const [row] = await poolQuery<{ lag: bigint }>(
      this.#options.pool,
      `${this.#topics()} SELECT coalesce(sum(n), 0)::bigint AS lag FROM topics c CROSS JOIN LATERAL (SELECT count(*) AS n FROM
        (SELECT 1 FROM ${this.#table}.published_messages m WHERE m.topic = c.topic AND (m.position, m.ordinal) > ($1, $2) LIMIT ${LAG_MAX}) behind) counted`,
      [after.position, after.ordinal],
    );
    return row?.lag ?? 0n;
  }

  /** Gives back what it holds. A step that is under way should have ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unsubscribe?.();
    const producer = this.#producer;
    this.#producer = undefined;
    await producer?.close();
    await this.#admin.close();
    const lease = this.#own;
    this.#own = undefined;
    if (lease) await releaseLease(this.#options, lease);
  }

  async #relay(lease: LeaseRef): Promise<'progress' | 'idle'> {
    const producer = await this.#connected();
    // Another holder may have got further since ours was lost.
    if (this.#leaseFencing !== lease.fencing) this.#sent = undefined;
    this.#leaseFencing = lease.fencing;
    this.#sent ??= await this.#saved(producer.clusterId);
    await this.#pause();
    const batch = bounded(await this.#read(this.#sent));
    const last = batch.at(-1);
    if (!last) return 'idle';
    if (!(await this.#isSameCluster(producer))) {
      this.#disconnect();
      return 'progress';
    }
    await producer.send(batch);
    const place = { position: last.position, ordinal: last.ordinal };
    await this.#save(producer.clusterId, place, lease);
    this.#sent = place;
    this.#options.onSent?.(batch.length);
    return 'progress';
  }

  async #connected(): Promise<RelayProducer> {
    this.#producer ??= await RelayProducer.connect(this.#client, this.#options.connection);
    return this.#producer;
  }

  /** A connection that was lost while nothing was sent comes back without a word, even to brokers that have lost their data meanwhile. */
  async #isSameCluster({ clusterId }: RelayProducer): Promise<boolean> {
    const { connection, runtime } = this.#options;
    const now = runtime.monotonicMs();
    if (now < this.#sameClusterAtMs + SAME_CLUSTER_MS) return true;
    const found = await this.#admin.use((admin) => describeCluster(admin, connection.brokers));
    this.#sameClusterAtMs = now;
    return found.clusterId === clusterId;
  }

  #disconnect(): void {
    const producer = this.#producer;
    this.#producer = undefined;
    this.#sent = undefined;
    void producer?.close();
  }

  async #lease(): Promise<LeaseRef | undefined> {
    const { lease, runtime } = this.#options;
    if (lease) return lease();
    const isFresh = this.#own && this.#own.expiresAt - runtime.now() > LEASE_TTL_MS / 2;
    if (!isFresh) {
      const wanted = { name: LEASE_NAME, holder: this.#holder, ttlMs: LEASE_TTL_MS };
      this.#own = await acquireLease(this.#options, wanted);
    }
    return this.#own;
  }

  async #pause(): Promise<void> {
    const { runtime } = this.#options;
    const pauseMs = this.#sentAtMs + PAUSE_MS - runtime.monotonicMs();
    if (pauseMs > 0) await runtime.sleep(pauseMs);
    this.#sentAtMs = runtime.monotonicMs();
  }

  async #saved(clusterId: string): Promise<Place> {
    const text = `SELECT position, ordinal FROM ${this.#table}.relay_progress WHERE cluster_id = $1`;
    const [row] = await poolQuery<Place>(this.#options.pool, text, [clusterId]);
    return row ?? { position: 0n, ordinal: 0 };
  }

  /** Progress in the cluster that got most, while it isn't known which one is there now. */
  async #furthest(): Promise<Place> {
    const text = `SELECT position, ordinal FROM ${this.#table}.relay_progress ORDER BY position DESC, ordinal DESC LIMIT 1`;
    const [row] = await poolQuery<Place>(this.#options.pool, text);
    return row ?? { position: 0n, ordinal: 0 };
  }

  /**
   * One statement, so one transaction, in which nobody can take the lease over. It needn't wait for the disk: progress that is lost costs a repeated batch.
   * @throws LeaseLost
   */
  async #save(clusterId: string, { position, ordinal }: Place, lease: LeaseRef): Promise<void> {
    const rows = await poolQuery(
      this.#options.pool,
      `WITH held AS (SELECT set_config('synchronous_commit', 'off', true) FROM ${this.#table}.leases WHERE name = $1 AND fencing = $2 FOR SHARE)
        INSERT INTO ${this.#table}.relay_progress (cluster_id, position, ordinal) SELECT $3, $4, $5 FROM held
        ON CONFLICT (cluster_id) DO UPDATE SET position = excluded.position, ordinal = excluded.ordinal RETURNING 1`,
      [lease.name, lease.fencing, clusterId, position, ordinal],
    );
    if (rows.length > 0) return;
    this.#own = undefined;
    throw new LeaseLost(lease.name, lease.fencing);
  }

  /** The next messages in the order of the log, along the index of each topic. */
  async #read(after: Place): Promise<MessageRow[]> {
    const select = `${this.#topics()} SELECT m.* FROM topics c CROSS JOIN LATERAL (
        SELECT t.position, t.ordinal, t.topic, t.ordering_key, t.sequence, t.headers, t.payload FROM ${this.#table}.published_messages t
          WHERE t.topic = c.topic AND (t.position, t.ordinal) > (${after.position}::bigint, ${after.ordinal})
          ORDER BY t.position, t.ordinal LIMIT ${BATCH_MESSAGES_MAX}) m
      ORDER BY m.position, m.ordinal LIMIT ${BATCH_MESSAGES_MAX}`;
    // As in the Postgres driver: the planner would rather sort all that is left, for every page of a long backlog.
    const text = `SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off; ${select}`;
    const results: unknown = await this.#options.pool.query({ text, types: pgTypes });
    return (results as { rows: MessageRow[] }[]).at(-1)?.rows ?? [];
  }

  /** The topics that there are, by one look into the index for each. */
  #topics(): string {
    const table = `${this.#table}.published_messages`;
    return `WITH RECURSIVE topics(topic) AS ((SELECT topic FROM ${table} ORDER BY topic LIMIT 1)
      UNION ALL SELECT (SELECT m.topic FROM ${table} m WHERE m.topic > t.topic ORDER BY m.topic LIMIT 1) FROM topics t WHERE t.topic IS NOT NULL)`;
  }

  async #listen(): Promise<void> {
    const bus = BusListener.of(this.#options.pool);
    this.#unsubscribe ??= bus.subscribe({ channels: [notifyChannel(this.#options.schema)] }, () => {
      for (const listener of this.#listeners) listener();
    });
    await bus.connected();
  }
}

/** As many as may travel together; one at least. */
function bounded(rows: readonly MessageRow[]): readonly MessageRow[] {
  let bytes = 0;
  const end = rows.findIndex((row, i) => (bytes += recordBytes(row)) > BATCH_BYTES_MAX && i > 0);
  return end === -1 ? rows : rows.slice(0, end);
}
