import { assert, decodeJson, encodeJson } from '@finality/kernel';
import { streamOf } from './batch.ts';
import { textArray } from './binary-arrays.ts';
import { EVENT_COLUMNS, type EventRow, envelopeOf } from './envelope.ts';
import type { AnyStreamType, Session, WritingSession, States, StoredEvent, StreamType } from './port.ts';
import { typeOf, upcast } from './stream-types.ts';

/** What a service keeps of its events besides their states. */
export interface Projection {
  /** Nobody else fills them: they are emptied first. */
  readonly tables: readonly string[];
  /** Columns that aren't history: what stood in them is told anew. */
  readonly forgets?: readonly string[];
  /** Streams whose states it looks at besides those of the events; they are as after these events. */
  readonly needs?: (events: readonly StoredEvent[], states: States) => readonly string[];
  /** As in the batch that stored the events, or several of them together: what follows from them, added to what is there. */
  readonly save: (session: WritingSession, events: readonly StoredEvent[], states: States) => Promise<void> | void;
}

/** What other tables of the truth come to, beside the events: filled in place. */
export interface Derived {
  readonly tables: readonly string[];
  readonly fill: (session: WritingSession) => Promise<void>;
}

/** Of all tables of a service's own, what becomes of each: none may be missing. */
export interface Rebuild {
  readonly projections: readonly Projection[];
  readonly derived?: readonly Derived[];
  /** What neither its events nor its entries say, by table: why, and how it comes back. */
  readonly left: Readonly<Record<string, string>>;
}

/** The record itself, and how far others have been told of it: every store has them, and nothing that they could be made of. */
export const STORE_TABLES: readonly string[] = [
  ...['store_head', 'events', 'published_messages', 'published_keys', 'inbox_keys', 'parked_messages'],
  ...['idempotency_keys', 'timers', 'leases', 'consumer_cursors', 'relay_progress'],
];

export interface Rebuilt {
  readonly events: number;
  readonly streams: number;
}

/** Of a few thousand events at once a statement costs little for each, and they are a few megabytes. */
const PAGE_EVENTS = 4_000;
/** Kept in memory, and written when they haven't changed for so long, or at the end: most streams live shortly. */
const STATES_KEPT_MAX = 20_000;

/**
 * Empties the states of all streams and these projections, and fills them anew from the first event on: after a change of their shape, or of what they are
 * made by. In the caller's transaction, so all of it or nothing: under the store's lock, with the service at rest, as the owner of the tables.
 */
export async function rebuildProjections(
  session: WritingSession,
  types: readonly AnyStreamType[],
  { projections, derived = [] }: Pick<Rebuild, 'projections' | 'derived'>,
): Promise<Rebuilt> {
  const tables = projections.flatMap((projection) => projection.tables);
  await empty(session, ['stream_states', ...tables]);
  const states = new RebuiltStates(session, types);
  let count = 0;
  for (let rows = await readPage(session, -1n); rows.length > 0;) {
    const events = await states.evolve(rows);
    for (const { needs } of projections) if (needs !== undefined) await states.load(needs(events, states));
    for (const { save } of projections) await save(session, events, states);
    await states.writeOldest();
    count += rows.length;
    rows = await readPage(session, rows.at(-1)!.position);
  }
  await states.writeAll();
  for (const { fill } of derived) await fill(session);
  const [streams] = await session.query<{ count: bigint }>('SELECT count(*) FROM stream_states');
  return { events: count, streams: Number(streams!.count) };
}

/** Also what the service itself can only add to: its owner can. No other transaction ever sees it without its trigger. */
async function empty(session: Session, tables: readonly string[]): Promise<void> {
  const guarded = await session.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = current_schema() AND t.tgname = 'insert_only' AND c.relname = ANY($1::text[])`,
    [tables],
  );
  for (const { name } of guarded) await session.query(`ALTER TABLE ${name} DISABLE TRIGGER insert_only`);
  await session.query(`TRUNCATE ${tables.join(', ')} RESTART IDENTITY`);
  for (const { name } of guarded) await session.query(`ALTER TABLE ${name} ENABLE ALWAYS TRIGGER insert_only`);
}

const readPage = (session: Session, after: bigint): Promise<EventRow[]> =>
  session.query<EventRow>(
    `SELECT ${EVENT_COLUMNS} FROM events WHERE position > $1 ORDER BY position LIMIT ${PAGE_EVENTS}`,
    [after],
  );

interface Slot {
  version: number;
  state: unknown;
  isWritten: boolean;
}

/** States as they come to be, those that changed last in memory. */
class RebuiltStates implements States {
  readonly #session: WritingSession;
  readonly #types: ReadonlyMap<string, AnyStreamType>;
  /** In the order in which they were last used. */
  readonly #slots = new Map<string, Slot>();

  constructor(session: WritingSession, types: readonly AnyStreamType[]) {
    this.#session = session;
    this.#types = new Map(types.map((type) => [type.aggregate.name, type]));
  }

  state<State, Event extends { readonly type: string }>(type: StreamType<State, Event>, id: string): State {
    const slot = this.#slots.get(streamOf(type, id));
    assert(slot !== undefined, `the state of ${streamOf(type, id)} was asked for`);
    return slot.version === 0 ? type.aggregate.initialState : (slot.state as State);
  }

  async load(streams: readonly string[]): Promise<void> {
    const missing: string[] = [];
    for (const stream of new Set(streams)) {
      const slot = this.#slots.get(stream);
      if (slot === undefined) missing.push(stream);
      else this.#use(stream, slot);
    }
    if (missing.length === 0) return;
    for (const stream of missing) this.#slots.set(stream, { version: 0, state: undefined, isWritten: true });
    const rows = await this.#session.query<{ stream: string; version: number; state: string }>(
      'SELECT stream, version, state FROM stream_states WHERE stream = ANY($1::text[])',
      [missing],
    );
    for (const { stream, version, state } of rows)
      this.#slots.set(stream, { version, state: decodeJson(state), isWritten: true });
  }

  async evolve(rows: readonly EventRow[]): Promise<readonly StoredEvent[]> {
    await this.load(rows.map(({ stream }) => stream));
    return rows.map((row) => {
      const type = typeOf(this.#types, row.stream);
      const slot = this.#slots.get(row.stream)!;
      assert(row.version === slot.version + 1, `event ${row.position} is version ${slot.version + 1} of ${row.stream}`);
      const data = upcast(type, row);
      slot.state = type.aggregate.evolve(slot.version === 0 ? type.aggregate.initialState : slot.state, data);
      slot.version = row.version;
      slot.isWritten = false;
      return { ...envelopeOf(row), data };
    });
  }

  async writeOldest(): Promise<void> {
    const surplus = this.#slots.size - STATES_KEPT_MAX;
    if (surplus <= 0) return;
    const oldest = [...this.#slots].slice(0, surplus);
    await this.#write(oldest);
    for (const [stream] of oldest) this.#slots.delete(stream);
  }

  async writeAll(): Promise<void> {
    const all = [...this.#slots];
    for (let i = 0; i < all.length; i += PAGE_EVENTS) await this.#write(all.slice(i, i + PAGE_EVENTS));
  }

  async #write(slots: readonly (readonly [string, Slot])[]): Promise<void> {
    const changed = slots.filter(([, slot]) => !slot.isWritten);
    if (changed.length === 0) return;
    await this.#session.query(
      `INSERT INTO stream_states (stream, version, state) SELECT * FROM unnest($1::text[], $2::int[], $3::text[])
       ON CONFLICT (stream) DO UPDATE SET version = excluded.version, state = excluded.state`,
      [
        textArray(changed.map(([stream]) => stream)),
        changed.map(([, { version }]) => version),
        textArray(changed.map(([, { state }]) => encodeJson(state))),
      ],
    );
  }

  #use(stream: string, slot: Slot): void {
    this.#slots.delete(stream);
    this.#slots.set(stream, slot);
  }
}
