import { assert, type CauseContext, decodeJson, encodeJson, type Instant, type Runtime } from '@finality/kernel';
import { assertPlainId, messageHeaders } from './envelope.ts';
import { epochFloor } from './epoch.ts';
import { textArray } from './binary-arrays.ts';
import { chainHash, type HashedEvent } from './hash-chain.ts';
import type { KnownState, Recent } from './recent.ts';
import type {
  Batch,
  Change,
  EventEnvelope,
  PublicMessage,
  Session,
  StoredEvent,
  StreamType,
  Timer,
  TimerRef,
} from './port.ts';

/** Where the log ends before the batch. */
export interface Head {
  readonly position: bigint;
  readonly hash: Buffer;
  readonly epoch: number;
  /** When its last event was recorded; 0 before the first. */
  readonly recordedAt: bigint;
}

/** An event ready to be inserted. */
export interface EventRecord extends HashedEvent {
  readonly hash: Buffer;
}

/** A published message but for its sequence. */
export interface MessageDraft {
  readonly position: bigint;
  readonly ordinal: number;
  readonly topic: string;
  readonly orderingKey: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Uint8Array;
}

export interface StateRecord {
  readonly stream: string;
  readonly version: number;
  readonly state: string;
}

/** What is stored of these streams; nothing of one to which nothing has happened. */
export interface ReadStates {
  readonly streams: readonly string[];
  readonly rows: readonly StateRecord[];
}

export async function readStates(session: Session, streams: readonly string[]): Promise<ReadStates> {
  if (streams.length === 0) return { streams, rows: [] };
  const rows = await session.query<StateRecord>(
    'SELECT stream, version, state FROM stream_states WHERE stream = ANY($1::text[])',
    [textArray(streams)],
    'stream-states',
  );
  return { streams, rows };
}

/** `state` is `undefined` while nothing has happened to the stream: then the type's initial state counts. */
interface Slot extends KnownState {
  version: number;
  state: unknown;
  dirty: boolean;
  isOver: boolean;
}

type AnyEvent = { readonly type: string };

/** Columns and limits that an id must fit; a longer one is a bug of whoever made it. */
const STREAM_LENGTH_MAX = 500;

/** A batch in memory: loaded states, and what the commands decided so far have added. */
export class BatchState implements Batch {
  readonly now: Instant;
  readonly memory: Map<unknown, unknown>;
  readonly events: StoredEvent[] = [];
  readonly records: EventRecord[] = [];
  readonly changes: Change[] = [];
  readonly messages: MessageDraft[] = [];
  /** By `timerKey`: what is to be scheduled, or `undefined` for what is to be cancelled. */
  readonly timers = new Map<string, { readonly ref: TimerRef; readonly timer: Timer | undefined }>();
  readonly #runtime: Runtime;
  readonly #service: string;
  readonly #head: Head;
  readonly #slots = new Map<string, Slot>();
  readonly #recent: Recent;
  readonly #onStored: (() => void)[] = [];
  /** Asked for already, by whoever began the batch. */
  #coming: { readonly streams: ReadonlySet<string>; readonly states: Promise<ReadStates> } | undefined;
  #loading = false;
  #cause: CauseContext | undefined;
  #touched = 0;

  /** @param options `recent`: as of `head` */
  constructor(options: {
    readonly runtime: Runtime;
    readonly service: string;
    readonly head: Head;
    readonly recent: Recent;
  }) {
    this.#runtime = options.runtime;
    this.#service = options.service;
    this.#head = options.head;
    this.#recent = options.recent;
    this.memory = options.recent.memory;
    // A clock that was set back, or another machine's, must not record something as earlier than what came before it.
    this.now = Math.max(options.runtime.now(), Number(options.head.recordedAt)) as Instant;
  }

  /** Position of the last event of the log, this batch's included. */
  get position(): bigint {
    return this.records.at(-1)?.position ?? this.#head.position;
  }

  /** Position of the last event before the batch. */
  get after(): bigint {
    return this.#head.position;
  }

  get hash(): Buffer {
    return this.records.at(-1)?.hash ?? this.#head.hash;
  }

  /** The number before the first position, or sequence, of this epoch. */
  get floor(): bigint {
    return epochFloor(this.#head.epoch);
  }

  /** Runs the handler's `load`, the only place where states can be loaded. */
  async loading<T>(load: () => Promise<T>): Promise<T> {
    this.#loading = true;
    try {
      return await load();
    } finally {
      this.#loading = false;
    }
  }

  /** Runs the handler on one command. A refusal that left something behind is a bug and throws. */
  handling<T extends { readonly kind: string }>(cause: CauseContext, handle: () => T): T {
    const touchedBefore = this.#touched;
    this.#cause = cause;
    try {
      const handled = handle();
      assert(
        handled.kind === 'accepted' || this.#touched === touchedBefore,
        'a refused command appended events or touched timers',
      );
      return handled;
    } finally {
      this.#cause = undefined;
    }
  }

  async loadStreams(session: Session, streams: readonly string[]): Promise<void> {
    assert(this.#loading, 'loadStreams is for the handler’s load only');
    const missing = this.unknown(streams);
    if (missing.length === 0) return;
    const asked = missing.filter((stream) => this.#coming?.streams.has(stream) !== true);
    const reading = readStates(session, asked);
    if (asked.length < missing.length) this.know(await this.#coming!.states);
    this.know(await reading);
  }

  /** Of these streams the ones whose state has to be asked for, each once. */
  unknown(streams: readonly string[]): string[] {
    return [...new Set(streams)].filter((stream) => !this.#slots.has(stream) && !this.#recall(stream));
  }

  /** States that are being read since the lock was asked for: whoever loads them waits for them. */
  expect(streams: readonly string[], states: Promise<ReadStates>): void {
    this.#coming = { streams: new Set(streams), states };
  }

  /** States that were read since the lock was had. */
  know({ streams, rows }: ReadStates): void {
    for (const stream of streams)
      if (!this.#slots.has(stream))
        this.#slots.set(stream, { version: 0, state: undefined, dirty: false, isOver: false });
    for (const { stream, version, state } of rows) {
      const slot = this.#slots.get(stream)!;
      if (slot.version === 0 && !slot.dirty) Object.assign(slot, { version, state: decodeJson(state) });
    }
  }

  state<State, Event extends AnyEvent>(type: StreamType<State, Event>, id: string): State {
    const slot = this.#slot(streamOf(type, id));
    return slot.version === 0 ? type.aggregate.initialState : (slot.state as State);
  }

  exists<State, Event extends AnyEvent>(type: StreamType<State, Event>, id: string): boolean {
    return this.#slot(streamOf(type, id)).version > 0;
  }

  append<State, Event extends AnyEvent>(
    type: StreamType<State, Event>,
    id: string,
    ...events: readonly Event[]
  ): State {
    const cause = this.#cause;
    if (!cause) throw new Error('append is for the handler’s handle only');
    const stream = streamOf(type, id);
    const slot = this.#slot(stream);
    let state = slot.version === 0 ? type.aggregate.initialState : (slot.state as State);
    for (const event of events) {
      const before = state;
      state = type.aggregate.evolve(before, event);
      slot.version += 1;
      const envelope = this.#envelope(type, event, state, { stream, version: slot.version, cause });
      this.changes.push({ event: this.#record(type, event, state, envelope), before, after: state });
    }
    slot.state = state;
    slot.dirty ||= events.length > 0;
    slot.isOver = type.isOver?.(state) ?? false;
    return state;
  }

  schedule(timer: Timer): void {
    this.#touchTimer(timer, timer);
  }

  cancel(timer: TimerRef): void {
    this.#touchTimer(timer, undefined);
  }

  onStored(listener: () => void): void {
    this.#onStored.push(listener);
  }

  id(): string {
    return this.#runtime.id();
  }

  /** All of it is durable: the next batch begins with what this one has left. */
  stored(): void {
    const head = { ...this.#head, position: this.position, hash: this.hash };
    const recordedAt = this.records.at(-1)?.recordedAt;
    this.#recent.stored(recordedAt === undefined ? head : { ...head, recordedAt: BigInt(recordedAt) }, this.#slots);
    for (const listener of this.#onStored) listener();
  }

  /** The states that this batch has changed, as they are to be stored. */
  changedStates(): StateRecord[] {
    return [...this.#slots]
      .filter(([, slot]) => slot.dirty)
      .map(([stream, slot]) => ({ stream, version: slot.version, state: encodeJson(slot.state) }));
  }

  #recall(stream: string): boolean {
    const known = this.#recent.state(stream);
    if (known === undefined) return false;
    this.#slots.set(stream, { ...known, dirty: false, isOver: false });
    return true;
  }

  #slot(stream: string): Slot {
    const slot = this.#slots.get(stream);
    if (!slot) throw new Error(`stream ${stream} wasn't loaded: name it in the handler's load`);
    return slot;
  }

  #envelope<State, Event extends AnyEvent>(
    type: StreamType<State, Event>,
    event: Event,
    state: State,
    where: { readonly stream: string; readonly version: number; readonly cause: CauseContext },
  ): EventEnvelope {
    const { stream, version, cause } = where;
    const institutions = [...new Set(type.institutions(state))].sort();
    for (const institution of institutions) assertPlainId(institution, 'institution');
    return {
      stream,
      version,
      eventId: this.#runtime.id(),
      type: event.type,
      schemaVersion: type.schemaVersions?.[event.type as Event['type']] ?? 1,
      epoch: this.#head.epoch,
      occurredAt: cause.occurredAt,
      recordedAt: this.now,
      actor: { kind: cause.actor.kind, id: cause.actor.id },
      institutions,
      causationId: cause.causationId,
      correlationId: cause.correlationId,
      ...(cause.traceparent ? { traceparent: cause.traceparent } : {}),
    };
  }

  #record<State, Event extends AnyEvent>(
    type: StreamType<State, Event>,
    event: Event,
    state: State,
    envelope: EventEnvelope,
  ): StoredEvent {
    const position = (this.position < this.floor ? this.floor : this.position) + 1n;
    const hashed: HashedEvent = { ...envelope, position, payload: encodeJson(event) };
    const messages = type.publish(event, state, envelope);
    this.#touched += 1;
    this.records.push({ ...hashed, hash: chainHash(this.hash, hashed) });
    const stored: StoredEvent = { ...envelope, position, data: event };
    this.events.push(stored);

    messages.forEach((message, ordinal) => this.messages.push(this.#draft(envelope, position, ordinal, message)));
    return stored;
  }

  #draft(envelope: EventEnvelope, position: bigint, ordinal: number, message: PublicMessage): MessageDraft {
    assert(message.orderingKey.length > 0, `a message of ${message.topic} has no ordering key`);
    return {
      position,
      ordinal,
      topic: message.topic,
      orderingKey: message.orderingKey,
      headers: messageHeaders(this.#service, envelope, position, ordinal, message),
      payload: message.payload,
    };
  }

  #touchTimer(ref: TimerRef, timer: Timer | undefined): void {
    if (!this.#cause) throw new Error('timers are for the handler’s handle only');
    this.#touched += 1;
    this.timers.set(timerKey(ref), { ref, timer });
  }
}

/** `<aggregate>/<id>`. */
export function streamOf(type: { readonly aggregate: { readonly name: string } }, id: string): string {
  const stream = `${type.aggregate.name}/${id}`;
  assert(id.length > 0 && stream.length <= STREAM_LENGTH_MAX, `${JSON.stringify(id)} can't be the id of a stream`);
  return stream;
}

export function timerKey(ref: TimerRef): string {
  return JSON.stringify([ref.stream, ref.kind, ref.id]);
}
