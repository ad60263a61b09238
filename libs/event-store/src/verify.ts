import { encodeJson } from '@finality/kernel';
import { EVENT_COLUMNS, envelopeOf, type EventRow } from './envelope.ts';
import { epochFloor } from './epoch.ts';
import { chainHash, GENESIS_HASH } from './hash-chain.ts';
import type { AnyStreamType, Session } from './port.ts';
import { typeOf, upcast } from './stream-types.ts';

export type ChainCheck =
  | { readonly ok: true; readonly position: bigint; readonly hash: string }
  | { readonly ok: false; readonly position: bigint; readonly problem: string };

export interface StateDifference {
  readonly stream: string;
  readonly problem: string;
}

export interface StateCheck {
  readonly streams: number;
  /** At most {@link DIFFERENCES_MAX}. */
  readonly differences: readonly StateDifference[];
}

const PAGE_EVENTS = 2_000;
const DIFFERENCES_MAX = 1_000;

/** Recomputes the hash chain from the first event and names the first difference: a changed, missing or added row, or another head. */
export async function verifyChain(session: Session): Promise<ChainCheck> {
  let hash: Buffer = GENESIS_HASH;
  let position = 0n;
  let epoch = 1;
  for (;;) {
    const rows = await session.query<EventRow>(
      `SELECT ${EVENT_COLUMNS} FROM events WHERE position > $1 ORDER BY position LIMIT ${PAGE_EVENTS}`,
      [position],
    );
    for (const row of rows) {
      const isFirstOfEpoch = row.epoch > epoch && row.position === epochFloor(row.epoch) + 1n;
      if (row.position !== position + 1n && !isFirstOfEpoch)
        return { ok: false, position: position + 1n, problem: `the event is missing; next comes ${row.position}` };
      position = row.position;
      epoch = row.epoch;
      hash = chainHash(hash, { ...envelopeOf(row), payload: row.data });
      if (!hash.equals(row.hash))
        return {
          ok: false,
          position,
          problem: `expected hash ${hash.toString('hex')}, got ${row.hash.toString('hex')}`,
        };
    }
    if (rows.length < PAGE_EVENTS) break;
  }
  const [head] = await session.query<{ position: bigint; hash: Buffer }>('SELECT position, hash FROM store_head');
  if (head?.position !== position || !head.hash.equals(hash)) {
    return {
      ok: false,
      position,
      problem: `the log ends here, the head says position ${head?.position}, hash ${head?.hash.toString('hex')}`,
    };
  }
  return { ok: true, position, hash: hash.toString('hex') };
}

/** Replays every stream and compares it with its stored state. Takes a session whose transaction is repeatable read, if batches go on meanwhile. */
export async function checkStates(session: Session, types: readonly AnyStreamType[]): Promise<StateCheck> {
  const differences: StateDifference[] = [];
  let streams = 0;
  for await (const replayed of replayStreams(session, types)) {
    streams += 1;
    const problem = await compare(session, replayed);
    if (problem !== undefined) differences.push({ stream: replayed.stream, problem });
    if (differences.length === DIFFERENCES_MAX) return { streams, differences };
  }
  const orphans = await session.query<{ stream: string }>(
    `SELECT stream FROM stream_states s WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.stream = s.stream) ORDER BY stream LIMIT ${DIFFERENCES_MAX - differences.length}`,
  );
  return {
    streams,
    differences: [...differences, ...orphans.map(({ stream }) => ({ stream, problem: 'a state without events' }))],
  };
}

interface Replayed {
  readonly stream: string;
  readonly version: number;
  readonly state: unknown;
}

async function compare(session: Session, replayed: Replayed): Promise<string | undefined> {
  const [row] = await session.query<{ version: number; state: string }>(
    'SELECT version, state FROM stream_states WHERE stream = $1',
    [replayed.stream],
  );
  if (!row) return 'its state is missing';
  if (row.version !== replayed.version) return `expected version ${replayed.version}, got ${row.version}`;
  const expected = encodeJson(replayed.state);
  return row.state === expected ? undefined : `expected ${expected}, got ${row.state}`;
}

/** Every stream with its state folded from its events, one at a time, in constant memory. */
async function* replayStreams(session: Session, types: readonly AnyStreamType[]): AsyncGenerator<Replayed> {
  const byName = new Map(types.map((type) => [type.aggregate.name, type]));
  let current: { stream: string; version: number; state: unknown } | undefined;
  for (let after = { stream: '', version: 0 }; ;) {
    const rows = await session.query<Pick<EventRow, 'stream' | 'version' | 'type' | 'schema_version' | 'data'>>(
      `SELECT stream, version, type, schema_version, data FROM events WHERE (stream, version) > ($1, $2) ORDER BY stream, version LIMIT ${PAGE_EVENTS}`,
      [after.stream, after.version],
    );
    for (const row of rows) {
      const type = typeOf(byName, row.stream);
      if (current && current.stream !== row.stream) yield current;
      const state: unknown = current?.stream === row.stream ? current.state : type.aggregate.initialState;
      current = { stream: row.stream, version: row.version, state: type.aggregate.evolve(state, upcast(type, row)) };
    }
    if (rows.length < PAGE_EVENTS) break;
    after = rows.at(-1)!;
  }
  if (current) yield current;
}
