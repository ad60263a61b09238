import { type ObservedTransaction, WatchSet } from '@finality/chain';
import type { Session } from '@finality/event-store';
import type { Runtime } from '@finality/kernel';

const ROWS_PER_READ = 50_000;
const KEY_BYTES = 8;

/**
 * The watched scripts and outpoints of the tables, in memory. Rows are only ever added, by one appender at a time, so that what is new has
 * the highest ordinals: within a batch, under its lock, {@link sync} leaves nothing out.
 */
export class WatchIndex {
  readonly #set: WatchSet;
  #scriptsThrough = 0n;
  #outpointsThrough = 0n;

  constructor(runtime: Runtime) {
    const key = new DataView(Uint8Array.from(runtime.randomBytes(KEY_BYTES)).buffer);
    this.#set = new WatchSet([key.getUint32(0), key.getUint32(4)]);
  }

  /** Takes over what has been stored since the last time. */
  async sync(session: Session): Promise<void> {
    this.#scriptsThrough = await read(session, 'watched_scripts', 'script', this.#scriptsThrough, (script) =>
      this.#set.watchScript(script),
    );
    this.#outpointsThrough = await read(
      session,
      'transaction_outpoints',
      'outpoint',
      this.#outpointsThrough,
      (outpoint) => this.#set.watchOutpoint(outpoint),
    );
  }

  /** Those that may concern us, as of the last {@link sync}; the others don't. */
  matching(transactions: readonly ObservedTransaction[]): readonly ObservedTransaction[] {
    return this.#set.matching(transactions);
  }
}

async function read(
  session: Session,
  table: string,
  column: string,
  after: bigint,
  take: (text: string) => void,
): Promise<bigint> {
  let through = after;
  for (;;) {
    const rows = await session.query<{ ordinal: bigint; text: string }>(
      `SELECT ordinal, ${column} AS text FROM ${table} WHERE ordinal > $1 ORDER BY ordinal LIMIT $2`,
      [through, ROWS_PER_READ],
    );
    for (const { text } of rows) take(text);
    through = rows.at(-1)?.ordinal ?? through;
    if (rows.length < ROWS_PER_READ) return through;
  }
}
