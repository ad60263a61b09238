import { assert, type Runtime } from '@finality/kernel';
import type { Pool, PoolClient } from 'pg';
import { BatchState, type Head, type MessageDraft, readStates } from './batch.ts';
import { claimsOf, readClaims } from './claims.sql.ts';
import { type Claims, Decider, expectedCommands, isNote, type Item } from './decide.ts';
import { StoreUnavailable } from './errors.ts';
import type { FaultPoint, Faults } from './faults.ts';
import type { Change, CommandHandler, Outcome, StoreCommand } from './port.ts';
import type { Recent } from './recent.ts';
import { beginLocked, ClientSession, type TransactionTimeouts } from './session.ts';
import { writeBatch } from './write.sql.ts';
import { NotTheWriter, type Writer, WRITER_LEASE } from './writer.ts';

export interface TransactionOptions<Body, World, Reply> {
  readonly pool: Pool;
  readonly schema: string;
  readonly service: string;
  readonly handler: CommandHandler<Body, World, Reply>;
  readonly runtime: Runtime;
  readonly timeouts: TransactionTimeouts;
  readonly faults?: Faults;
  /** Where several processes share the store: only the one that has its lease appends. Without it anybody may. */
  readonly writer?: Pick<Writer, 'lease' | 'superseded'>;
  readonly recent: Recent;
}

export interface Committed<Reply> {
  readonly outcomes: readonly (Outcome<Reply> | 'deferred')[];
  /** Position of the last event before the batch. */
  readonly after: bigint;
  readonly changes: readonly Change[];
  readonly messages: readonly MessageDraft[];
}

/** The channel that a store notifies of the topics, divided by commas, which it has published something of. */
export function notifyChannel(schema: string): string {
  return `finality_${schema}`;
}

/**
 * One batch, in one transaction, in the order of DESIGN 4. Rejects with `StoreUnavailable` when the database fails (then nothing is known), with
 * anything else when handling threw (then nothing is stored).
 */
export async function runTransaction<Body, World, Reply>(
  options: TransactionOptions<Body, World, Reply>,
  items: readonly Item<Body>[],
): Promise<Committed<Reply>> {
  const client = await connect(options.pool);
  // A session that the server ends between two statements says so by an event; nobody listening would end the process.
  const ignore = (): void => undefined;
  client.on('error', ignore);
  const session = new ClientSession(client);
  let isBroken = true;
  try {
    const committed = await inTransaction(options, session, items);
    isBroken = false;
    return committed;
  } catch (error) {
    if (error instanceof StoreUnavailable) throw error;
    await rollback(session);
    isBroken = false;
    throw error;
  } finally {
    // A connection thrown away may still have something to say.
    if (!isBroken) client.off('error', ignore);
    client.release(isBroken);
  }
}

async function inTransaction<Body, World, Reply>(
  options: TransactionOptions<Body, World, Reply>,
  session: ClientSession,
  items: readonly Item<Body>[],
): Promise<Committed<Reply>> {
  const { handler, recent, writer } = options;
  // Before anything is sent: what comes behind a transaction that doesn't begin would be one of its own.
  if (writer && !writer.lease) throw new NotTheWriter(options.schema);
  const fault = faultsOf(session, options.faults);
  try {
    const { batch, claims, world, loaded } = await begin(options, session, items, fault);
    const decider = new Decider<Body, Reply>(claims, batch, (command) => {
      assert(loaded.has(command), 'a command is handled that was not loaded for');
      return handler.handle(command, world as World, batch);
    });
    const decided = await fault('handle', async () => decider.decideAll(items));
    if (decided.accepted === 0 && claims.inbox.changes().length === 0) {
      await rollback(session);
      return { outcomes: decided.outcomes, after: batch.after, changes: [], messages: [] };
    }
    // From here on nothing is asked: all of it is sent, and the end behind it.
    await fault('write', async () => writeBatch(session, batch, claims, decided));
    if (decided.accepted > 0) await fault('save', () => handler.save(session, world as World, batch.events, batch));
    await fault('commit', () => commit(session, options.schema, new Set(batch.messages.map(({ topic }) => topic))));
    batch.stored();
    return { outcomes: decided.outcomes, after: batch.after, changes: batch.changes, messages: batch.messages };
  } catch (error) {
    recent.forget();
    throw error;
  } finally {
    session.end();
  }
}

/** What a batch decides on. */
interface Begun<Body, World> {
  readonly batch: BatchState;
  readonly claims: Claims;
  /** What it was loaded for. */
  readonly loaded: ReadonlySet<StoreCommand<Body>>;
  /** Undefined when there is nothing to decide. */
  readonly world: World | undefined;
}

/**
 * Steps 1 to 3. Where the batches before have left something in memory the handler loads at once, as if the log still ended there and nothing of
 * this batch had been done before: mostly one round trip for everything. Whether it was so is known before anything is decided; if not, it
 * loads once more.
 */
async function begin<Body, World, Reply>(
  options: TransactionOptions<Body, World, Reply>,
  session: ClientSession,
  items: readonly Item<Body>[],
  fault: ReturnType<typeof faultsOf>,
): Promise<Begun<Body, World>> {
  const { handler, recent, runtime } = options;
  const commands = items.filter((item): item is StoreCommand<Body> => !isNote(item));
  const named = [...new Set(handler.streamsOf?.(commands))];
  const locked = fault('lock', () => lock(session, options));
  // Sent behind it: one round trip for all.
  if (options.faults) await locked;
  const guessed = recent.head && new BatchState({ ...options, head: recent.head });
  const unknown = guessed?.unknown(named) ?? named;
  const states = readStates(session, unknown);
  // Whoever waits for them hears it; a crash in between leaves nobody who does.
  states.catch(() => undefined);
  const asked = fault('claims', () => Promise.all([readClaims(session, items, runtime.now()), states]));
  const load = (batch: BatchState, wanted: readonly StoreCommand<Body>[]): Promise<World> =>
    batch.loading(() => handler.load(session, wanted, batch));
  guessed?.expect(unknown, states);
  const guess = guessed && !options.faults && commands.length > 0 ? load(guessed, commands) : undefined;
  const guessing = guess?.catch(() => undefined);
  const [head, [found, read]] = await Promise.all([locked, asked]);
  const isAsBefore = recent.found(head);
  if (guessed && guess && isAsBefore) {
    const claims = claimsOf(found, guessed.now);
    if (expectedCommands(items, claims).length === commands.length)
      return { batch: guessed, claims, loaded: new Set(commands), world: await guess };
  }
  await guessing;
  const batch = new BatchState({ ...options, head });
  batch.know(read);
  const claims = claimsOf(found, batch.now);
  const expected = expectedCommands(items, claims);
  const world =
    expected.length === 0
      ? undefined
      : await fault('load', async () => {
          await batch.loading(() => batch.loadStreams(session, named));
          return load(batch, expected);
        });
  return { batch, claims, loaded: new Set(expected), world };
}

async function connect(pool: Pool): Promise<PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    throw new StoreUnavailable(`no connection to the database: ${messageOf(error)}`, error);
  }
}

/**
 * Not a join: while `store_head` hasn't been analysed, the planner takes its one row for hundreds and reads all events for them. With the number that
 * the writer's must be.
 */
const HEAD_STATEMENT = `SELECT h.position, h.hash, h.epoch,
  coalesce((SELECT e.recorded_at FROM events e WHERE e.position = h.position), 0) AS "recordedAt",
  (SELECT l.fencing FROM leases l WHERE l.name = '${WRITER_LEASE}') AS fencing FROM store_head h`;

async function lock(
  session: ClientSession,
  options: Pick<TransactionOptions<unknown, unknown, unknown>, 'schema' | 'timeouts' | 'writer'>,
): Promise<Head> {
  const { writer } = options;
  const lease = writer?.lease;
  const [, [head]] = await Promise.all([
    beginLocked(session, options.schema, options.timeouts),
    session.query<Head & { readonly fencing: bigint | null }>(HEAD_STATEMENT, [], 'head'),
  ]);
  if (!head) throw new StoreUnavailable(`${options.schema}.store_head is empty: its migration hasn't run`);
  if (writer && head.fencing !== lease?.fencing) {
    writer.superseded();
    throw new NotTheWriter(options.schema);
  }
  return head;
}

const NOTIFY = 'SELECT pg_notify($1, $2)';

function commit(session: ClientSession, schema: string, topics: ReadonlySet<string>): Promise<void> {
  if (topics.size > 0) session.send(NOTIFY, [notifyChannel(schema), [...topics].join(',')], 'notify');
  return session.commit();
}

async function rollback(session: ClientSession): Promise<void> {
  try {
    await session.command('ROLLBACK');
  } catch (error) {
    throw new StoreUnavailable(`ROLLBACK failed: ${messageOf(error)}`, error);
  }
}

/** Runs a step of the batch between the hooks of the tests. A hook that throws is a crash: nothing is known. */
function faultsOf(
  session: ClientSession,
  faults: Faults | undefined,
): <T>(point: FaultPoint, step: () => Promise<T>) => Promise<T> {
  if (!faults) return (_point, step) => step();
  return async (point, step) => {
    await crashing(point, 'before', faults);
    const result = await step();
    await session.answered();
    await crashing(point, 'after', faults);
    return result;
  };
}

async function crashing(point: FaultPoint, when: 'before' | 'after', faults: Faults): Promise<void> {
  try {
    await faults[when]?.(point);
  } catch (error) {
    throw new StoreUnavailable(`crashed ${when} ${point}`, error);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
