import { assert, type Runtime } from '@finality/kernel';
import type { Pool, PoolClient } from 'pg';
import { BatchState, type Head, type MessageDraft, readStates } from './batch.ts';
import { claimsOf, readClaims } from './claims.sql.ts';
import { Decider, expectedCommands, isNote, type Item } from './decide.ts';
import { StoreUnavailable } from './errors.ts';
import type { FaultPoint, Faults } from './faults.ts';
import type { Change, CommandHandler, Outcome, StoreCommand } from './port.ts';
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
  const { handler, runtime, service } = options;
  const fault = faultsOf(session, options.faults);
  try {
    const locked = fault('lock', () => lock(session, options));
    // Sent behind it: one round trip for both.
    if (options.faults) await locked;
    const [head, [found, states]] = await Promise.all([
      locked,
      fault('claims', async () =>
        Promise.all([readClaims(session, items, runtime.now()), readStates(session, namedStreams(handler, items))]),
      ),
    ]);
    const batch = new BatchState({ runtime, service, head });
    batch.know(states);
    const claims = claimsOf(found, batch.now);
    const expected = expectedCommands(items, claims);
    const world =
      expected.length === 0
        ? undefined
        : await fault('load', () => batch.loading(() => handler.load(session, expected, batch)));
    const loaded = new Set(expected);
    const decider = new Decider<Body, Reply>(claims, batch, (command) => {
      assert(loaded.has(command), 'a command is handled that was not loaded for');
      return handler.handle(command, world as World, batch);
    });
    const decided = await fault('handle', async () => decider.decideAll(items));
    if (decided.accepted === 0 && claims.inbox.changes().length === 0) {
      await rollback(session);
      return { outcomes: decided.outcomes, after: head.position, changes: [], messages: [] };
    }
    // From here on nothing is asked: all of it is sent, and the end behind it.
    await fault('write', async () => writeBatch(session, batch, claims, decided));
    if (decided.accepted > 0) await fault('save', () => handler.save(session, world as World, batch.events, batch));
    await fault('commit', () => commit(session, options.schema, new Set(batch.messages.map(({ topic }) => topic))));
    return { outcomes: decided.outcomes, after: head.position, changes: batch.changes, messages: batch.messages };
  } finally {
    session.end();
  }
}

function namedStreams<Body>(
  handler: CommandHandler<Body, unknown, unknown>,
  items: readonly Item<Body>[],
): readonly string[] {
  const commands = items.filter((item): item is StoreCommand<Body> => !isNote(item));
  return [...new Set(handler.streamsOf?.(commands))];
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
  if (writer && !lease) throw new NotTheWriter(options.schema);
  const [, [head]] = await Promise.all([
    beginLocked(session, options.schema, options.timeouts),
    session.query<Head & { readonly fencing: bigint | null }>(HEAD_STATEMENT, [], 'head'),
  ]);
  if (!head) throw new StoreUnavailable(`${options.schema}.store_head is empty: its migration hasn't run`);
  if (lease && head.fencing !== lease.fencing) {
    writer?.superseded();
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
