import { quoteIdentifier } from '@finality/event-store';
import type { Pool, PoolClient } from 'pg';

interface Subscriber {
  /** All, when undefined. */
  readonly topics: ReadonlySet<string> | undefined;
  readonly listener: () => void;
}

/**
 * The one connection of a pool that LISTENs, for all consumers that share the pool. When it is lost, the next poll makes it anew: until then
 * everybody polls.
 */
export class BusListener {
  static readonly #listeners = new WeakMap<Pool, BusListener>();

  readonly #pool: Pool;
  readonly #subscribers = new Map<string, Set<Subscriber>>();
  #client: Promise<PoolClient> | undefined;
  #held: PoolClient | undefined;
  #listening = new Map<string, Promise<unknown>>();

  private constructor(pool: Pool) {
    this.#pool = pool;
  }

  static of(pool: Pool): BusListener {
    const known = BusListener.#listeners.get(pool);
    if (known) return known;
    const made = new BusListener(pool);
    BusListener.#listeners.set(pool, made);
    return made;
  }

  /** Calls `listener` at every notification on one of the channels, or of those that name one of the topics. @returns how to stop that */
  subscribe(
    { channels, topics }: { readonly channels: readonly string[]; readonly topics?: readonly string[] },
    listener: () => void,
  ): () => void {
    const subscriber = { topics: topics && new Set(topics), listener };
    for (const channel of channels) {
      const subscribers = this.#subscribers.get(channel) ?? new Set();
      this.#subscribers.set(channel, subscribers.add(subscriber));
    }
    return () => {
      for (const channel of channels) {
        const subscribers = this.#subscribers.get(channel);
        subscribers?.delete(subscriber);
        if (subscribers?.size === 0) this.#subscribers.delete(channel);
      }
      if (this.#subscribers.size === 0) this.#disconnect();
    };
  }

  /** Resolves when notifications on all subscribed channels arrive. */
  async connected(): Promise<void> {
    this.#client ??= this.#connect();
    const client = await this.#client;
    for (const channel of this.#subscribers.keys()) {
      // One statement at a time, whoever asks; nobody goes on before the channel is listened to.
      const before = [...this.#listening.values()].at(-1);
      const listening =
        this.#listening.get(channel) ??
        Promise.resolve(before).then(() => client.query(`LISTEN ${quoteIdentifier(channel)}`));
      this.#listening.set(channel, listening);
      try {
        await listening;
      } catch (error) {
        if (this.#listening.get(channel) === listening) this.#listening.delete(channel);
        throw error;
      }
    }
  }

  async #connect(): Promise<PoolClient> {
    let client: PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      this.#forget();
      throw error;
    }
    if (this.#subscribers.size === 0) {
      client.release(true);
      throw new Error('the last consumer was closed while it connected');
    }
    client.on('notification', ({ channel, payload = '' }) => {
      const published = payload.split(',');
      for (const { topics, listener } of [...(this.#subscribers.get(channel) ?? [])])
        if (!topics || published.some((topic) => topics.has(topic))) listener();
    });
    const lost = (): void => {
      if (this.#held !== client) return;
      this.#held = undefined;
      this.#forget();
      client.release(true);
    };
    client.on('error', lost);
    client.on('end', lost);
    this.#held = client;
    return client;
  }

  #disconnect(): void {
    const client = this.#held;
    this.#held = undefined;
    this.#forget();
    client?.release(true);
  }

  #forget(): void {
    this.#client = undefined;
    this.#listening = new Map();
  }
}
