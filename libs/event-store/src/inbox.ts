import type { Instant } from '@finality/kernel';
import { previousSequence } from './epoch.ts';
import type { MessageRef, Outcome } from './port.ts';

/** What `inbox_keys` says of a key. A key without a row has received nothing. */
export interface InboxKeyRow {
  readonly topic: string;
  readonly ordering_key: string;
  readonly last_sequence: bigint;
  readonly parked_at: bigint | null;
  readonly cause: string | null;
}

interface KeyState {
  readonly topic: string;
  readonly orderingKey: string;
  last: bigint;
  parkedAt: number | undefined;
  cause: string | undefined;
  /** Sequences parked and not resolved, ascending; known only for keys of which something is replayed. */
  waiting: bigint[];
  dirty: boolean;
}

export interface ParkedRecord {
  readonly message: MessageRef;
  readonly parkedAt: Instant;
  readonly cause: string;
}

/** What the inbox answers before a message is handled: an outcome, or that it is to be handled now. */
export type Received =
  | { readonly kind: 'new' }
  | { readonly kind: 'replay' }
  | Extract<Outcome<never>, { kind: 'skipped' | 'gap' | 'parked' }>;

const CAUSE_LENGTH_MAX = 2_000;

/**
 * The inbox of one batch, in memory: per (topic, ordering key) each sequence is received once, in order (DESIGN 4). `last` is the last
 * sequence received, whether it was handled, skipped or parked.
 */
export class Inbox {
  readonly parked: ParkedRecord[] = [];
  readonly replayed: MessageRef[] = [];
  /** Replays that failed again: the new cause for their row. */
  readonly failedReplays: ParkedRecord[] = [];
  readonly #keys = new Map<string, KeyState>();
  readonly #now: Instant;

  constructor(
    rows: readonly InboxKeyRow[],
    waiting: readonly Pick<MessageRef, 'topic' | 'orderingKey' | 'sequence'>[],
    now: Instant,
  ) {
    this.#now = now;
    for (const row of rows) {
      const key = this.#key({ topic: row.topic, orderingKey: row.ordering_key });
      key.last = row.last_sequence;
      key.parkedAt = row.parked_at === null ? undefined : Number(row.parked_at);
      key.cause = row.cause ?? undefined;
    }
    for (const message of waiting) this.#key(message).waiting.push(message.sequence);
  }

  /** Which of these may be handled if all goes well: what must be loaded for. Changes nothing. */
  expected(messages: readonly MessageRef[]): Set<MessageRef> {
    const last = new Map<KeyState, bigint>();
    const found = new Set<MessageRef>();
    for (const message of messages) {
      const key = this.#key(message);
      const before = last.get(key) ?? key.last;
      if (!message.replay && !follows(message, before)) continue;
      if (!message.replay) last.set(key, message.sequence);
      found.add(message);
    }
    return found;
  }

  /** What is to be done with a message. One that waits behind a parked one is parked here. */
  receive(message: MessageRef): Received {
    const key = this.#key(message);
    if (message.replay) return this.#receiveReplay(key, message);
    if (message.sequence <= key.last) return { kind: 'skipped' };
    if (!follows(message, key.last)) return { kind: 'gap', expected: key.last + 1n };
    if (key.parkedAt === undefined) return { kind: 'new' };
    return this.park(message, `waits behind an earlier message: ${key.cause ?? 'parked'}`);
  }

  /** The message has been handled, or skipped on purpose. */
  advance(message: MessageRef): void {
    const key = this.#key(message);
    key.dirty = true;
    if (!message.replay) {
      key.last = message.sequence;
      return;
    }
    key.waiting.shift();
    this.replayed.push(message);
    if (key.waiting.length === 0) key.parkedAt = key.cause = undefined;
  }

  /** The message can't be handled: it is kept aside, and its key waits. */
  park(message: MessageRef, cause: string): Extract<Outcome<never>, { kind: 'parked' }> {
    const key = this.#key(message);
    const record = { message, parkedAt: this.#now, cause: cause.replaceAll('\0', '').slice(0, CAUSE_LENGTH_MAX) };
    key.dirty = true;
    if (key.parkedAt === undefined || message.replay) key.cause = record.cause;
    key.parkedAt ??= this.#now;
    if (message.replay) {
      this.failedReplays.push(record);
    } else {
      key.last = message.sequence;
      key.waiting.push(message.sequence);
      this.parked.push(record);
    }
    return { kind: 'parked', cause: record.cause };
  }

  changes(): InboxKeyRow[] {
    return [...this.#keys.values()]
      .filter((key) => key.dirty)
      .map((key) => ({
        topic: key.topic,
        ordering_key: key.orderingKey,
        last_sequence: key.last,
        parked_at: key.parkedAt === undefined ? null : BigInt(key.parkedAt),
        cause: key.cause ?? null,
      }));
  }

  #receiveReplay(key: KeyState, message: MessageRef): Received {
    if (!key.waiting.includes(message.sequence)) return { kind: 'skipped' };
    if (key.waiting[0] === message.sequence) return { kind: 'replay' };
    return { kind: 'parked', cause: key.cause ?? 'waits behind an earlier message' };
  }

  #key(of: Pick<MessageRef, 'topic' | 'orderingKey'>): KeyState {
    const name = keyName(of);
    let key = this.#keys.get(name);
    if (!key) {
      key = {
        topic: of.topic,
        orderingKey: of.orderingKey,
        last: 0n,
        parkedAt: undefined,
        cause: undefined,
        waiting: [],
        dirty: false,
      };
      this.#keys.set(name, key);
    }
    return key;
  }
}

/** Whether a message is the next one for whoever has received all up to `last`. */
const follows = (message: MessageRef, last: bigint): boolean =>
  message.sequence > last && previousSequence(message) <= last;

/** A (topic, ordering key) as a map key: topics hold no spaces. */
export function keyName(of: Pick<MessageRef, 'topic' | 'orderingKey'>): string {
  return `${of.topic} ${of.orderingKey}`;
}
