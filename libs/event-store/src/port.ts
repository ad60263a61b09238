import type { Actor, Aggregate, CauseContext, Instant, Refusal } from '@finality/kernel';

/** An event as it stands in the log, envelope and all (DESIGN 4). */
export interface StoredEvent<Data = unknown> {
  readonly position: bigint;
  readonly stream: string;
  /** 1 for the first event of its stream. */
  readonly version: number;
  readonly eventId: string;
  readonly type: string;
  readonly schemaVersion: number;
  /** Changes when the store is promoted after a disaster: part of every cursor. */
  readonly epoch: number;
  readonly occurredAt: Instant;
  readonly recordedAt: Instant;
  readonly actor: Actor;
  readonly institutions: readonly string[];
  readonly causationId: string;
  readonly correlationId: string;
  readonly traceparent?: string;
  /** The event as it was given to `append`, its `type` included. */
  readonly data: Data;
}

/** What others get to know of an event. Headers, position and sequence are the store's business. */
export interface PublicMessage {
  readonly topic: string;
  /** Messages of one key arrive in order, with a gap-free sequence; nothing is promised between keys. */
  readonly orderingKey: string;
  /** CloudEvents type: the full name of the protobuf message in `payload`. */
  readonly type: string;
  readonly schemaVersion: number;
  readonly payload: Uint8Array;
}

/** An aggregate as a service stores it: whom its events concern and what it tells the world, each in one function. */
export interface StreamType<State, Event extends { readonly type: string }> {
  readonly aggregate: Aggregate<State, Event>;
  /** Institutions concerned, for the envelope. */
  institutions(state: State): readonly string[];
  /** Called in the appending transaction with the state right after the event. */
  publish(event: Event, state: State, envelope: EventEnvelope): readonly PublicMessage[];
  /** Whether hardly anything more will happen to the stream: then its state isn't kept in memory for the next batches. Without it none is. */
  isOver?(state: State): boolean;
  /** Current version of the stored form per event type; 1 where nothing is said. */
  readonly schemaVersions?: Readonly<Partial<Record<Event['type'], number>>>;
  /** Turns a stored event of an older version into today's. Without it every stored version is today's. */
  upcast?(stored: UpcastInput): Event;
}

/** Any of a service's stream types, for what goes over all of them. */
export type AnyStreamType = StreamType<unknown, { readonly type: string }>;

export interface UpcastInput {
  readonly type: string;
  readonly schemaVersion: number;
  readonly data: unknown;
}

export type EventEnvelope = Omit<StoredEvent, 'data' | 'position'>;

/** A request key: (principal, rpc, key) is unique for as long as keys are kept (ADR 31), with the fields that came with it (DESIGN 7). */
export interface IdempotencyClaim {
  readonly principal: string;
  readonly rpc: string;
  readonly key: string;
  /** Field name → canonical text; compared one by one, so that a refusal can name the difference. Includes a `version` of the list. */
  readonly fields: Readonly<Record<string, string>>;
  /** The resource that this request makes or changes, should it be accepted. */
  readonly resourceId: string;
}

/** A consumed message, for the inbox: per (topic, orderingKey) each sequence is applied once, in order. */
export interface MessageRef {
  readonly topic: string;
  readonly orderingKey: string;
  readonly sequence: bigint;
  readonly id: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Uint8Array;
  /** An operator has a parked message tried again: it must be the first one waiting of its key. */
  readonly replay?: true;
}

/** A message of which only the inbox gets to know: skipped (unknown type, future version) or parked (its payload can't be decoded). */
export interface InboxNote {
  readonly message: MessageRef;
  readonly cause: CauseContext;
  readonly note: { readonly kind: 'skip' } | { readonly kind: 'park'; readonly cause: string };
}

/** A lease that must still be held when the batch commits (its row is locked until then). */
export interface LeaseRef {
  readonly name: string;
  readonly fencing: bigint;
}

export interface TimerRef {
  readonly stream: string;
  readonly kind: string;
  readonly id: string;
}

export interface Timer extends TimerRef {
  readonly dueAt: Instant;
}

/** One thing to decide, whoever asked: a client (with `idempotency`), a message (with `message`), a timer, or a worker. */
export interface StoreCommand<Body> {
  readonly body: Body;
  readonly cause: CauseContext;
  readonly idempotency?: IdempotencyClaim;
  /** A message that the handler refuses is parked like one it throws on: what doesn't matter is accepted without events. */
  readonly message?: MessageRef;
  readonly timer?: TimerRef;
  /** Refused as `aborted`, reason LEASE_LOST, when it isn't held any more. */
  readonly lease?: LeaseRef;
}

export type Outcome<Reply> =
  /** `position` is the last one of the log right after this command: a cursor to read one's own writes by. */
  | { readonly kind: 'accepted'; readonly reply: Reply; readonly position: bigint }
  /** The idempotency key was used before with the same fields, for this resource. */
  | { readonly kind: 'repeated'; readonly resourceId: string }
  /** Nothing was stored and no key used up. */
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** The inbox (or the timer table) says that this has been done. */
  | { readonly kind: 'skipped' }
  /** Earlier messages of this key are missing: fetch from `expected` on. */
  | { readonly kind: 'gap'; readonly expected: bigint }
  /** This message or an earlier one of its key can't be handled: it is kept aside, visibly, with the cause. */
  | { readonly kind: 'parked'; readonly cause: string }
  /** The handler threw on a command that isn't a message. A bug; nothing was stored for it. */
  | { readonly kind: 'failed'; readonly error: Error };

/** A database session inside a transaction. `search_path` is the service's schema; `bigint` columns come as `bigint`. */
export interface Session {
  /** @param name planned once per connection under this name, which belongs to this text; not every session does */
  query<Row extends object>(text: string, values?: readonly unknown[], name?: string): Promise<Row[]>;
}

/** The transaction of a batch, with what is written into it. */
export interface WritingSession extends Session {
  /** A statement that must succeed and whose answer is of no interest: sent at once, heard of before the transaction ends. */
  send(text: string, values: readonly unknown[], name?: string): void;
}

/** An event, and the states of its stream before and after it. */
export interface Change {
  readonly event: StoredEvent;
  readonly before: unknown;
  readonly after: unknown;
}

/** What a handler does its work with. State must have been loaded by `load`; asking for other state throws. */
export interface Batch {
  readonly now: Instant;
  /** Loads the current states of these streams, one round trip however many. Only inside `load`. */
  loadStreams(session: Session, streams: readonly string[]): Promise<void>;
  state<State, Event extends { readonly type: string }>(type: StreamType<State, Event>, id: string): State;
  /** Whether the stream has any event. */
  exists<State, Event extends { readonly type: string }>(type: StreamType<State, Event>, id: string): boolean;
  /** Appends in memory; later commands of the batch see it. Returns the new state. Only inside `handle`, before it returns `accepted`. */
  append<State, Event extends { readonly type: string }>(
    type: StreamType<State, Event>,
    id: string,
    ...events: readonly Event[]
  ): State;
  schedule(timer: Timer): void;
  cancel(timer: TimerRef): void;
  /** A new id (UUIDv7) from the Runtime. */
  id(): string;
  /**
   * What the handler knows from the batches before, by keys of its own: empty once anybody else has appended to the store. What `load` reads of what only
   * batches with events change may be put in at once; what a batch changes only when it is stored.
   */
  readonly memory: Map<unknown, unknown>;
  /** Called when all of the batch is durable, before anything of the next one. Mustn't throw. */
  onStored(listener: () => void): void;
}

/** States of streams as they are after a batch, or after some events: what projections are made of. */
export type States = Pick<Batch, 'state'>;

export type Handled<Reply> =
  { readonly kind: 'accepted'; readonly reply: Reply } | { readonly kind: 'refused'; readonly refusal: Refusal };

/**
 * A service's side of the batch (DESIGN 4, steps 3 to 5). `World` is whatever it keeps in memory for one batch beyond stream states:
 * ledger accounts, coins, indices. `handle` is synchronous and pure but for the batch and the world; a refusal must leave both untouched.
 */
export interface CommandHandler<Body, World, Reply> {
  /**
   * Streams that `load` will want by what the commands themselves say: asked for together with everything else at the beginning, for they are needed
   * unless all of the commands have been handled before. One round trip less.
   */
  streamsOf?(commands: readonly StoreCommand<Body>[]): readonly string[];
  load(session: Session, commands: readonly StoreCommand<Body>[], batch: Batch): Promise<World>;
  handle(command: StoreCommand<Body>, world: World, batch: Batch): Handled<Reply>;
  /** Writes inline projections and whatever else the world gathered. `events` are all of the batch, in position order. */
  save(session: WritingSession, world: World, events: readonly StoredEvent[], batch: Batch): Promise<void>;
}

/** The append side of a service's store. */
export interface EventStore<Body, Reply> {
  /**
   * Decides and stores, in the order given. Concurrent calls share batches. Resolves when everything accepted is durable;
   * rejects only with `StoreUnavailable`, when the store can't be reached (nothing is known then: ask again with the same keys).
   */
  execute(commands: readonly (StoreCommand<Body> | InboxNote)[]): Promise<readonly Outcome<Reply>[]>;
}

/** A row of the published log, as every driver delivers it. */
export interface PublishedMessage extends MessageRef {
  readonly position: bigint;
  readonly ordinal: number;
}
