import type { Session, States, StoredEvent, WritingSession } from '@finality/event-store';
import type { Unit } from '@finality/ledger';
import type { WindowPosition } from '@finality/settlement';
import { windowStream } from '../store/streams.ts';

interface PositionRow {
  readonly window_id: string;
  readonly institution_id: string;
  readonly unit: Unit;
  readonly paid: string;
  readonly received: string;
  readonly paid_count: bigint;
  readonly received_count: bigint;
}

const COLUMNS = 'window_id, institution_id, unit, paid, received, paid_count, received_count';

/** All positions of these windows: as many as they have participants and units that these have used, however many settlements. */
export async function loadPositions(
  session: Pick<Session, 'query'>,
  windowIds: ReadonlySet<string>,
): Promise<readonly WindowPosition[]> {
  if (windowIds.size === 0) return [];
  const rows = await session.query<PositionRow>(
    `SELECT window_id, institution_id, unit, paid::text, received::text, paid_count, received_count FROM window_positions WHERE window_id = ANY($1::text[])`,
    [[...windowIds]],
  );
  return rows.map(positionOf);
}

export const positionOf = (row: PositionRow): WindowPosition => ({
  windowId: row.window_id,
  institutionId: row.institution_id,
  unit: row.unit,
  paid: BigInt(row.paid),
  received: BigInt(row.received),
  paidCount: Number(row.paid_count),
  receivedCount: Number(row.received_count),
});

/** What the batch's settlements have added: one row per window, participant and unit, whatever their number. Sums of a unit's amounts have no bound that fits a bigint. */
export function savePositions(session: WritingSession, added: readonly WindowPosition[]): void {
  if (added.length === 0) return;
  session.send(
    `INSERT INTO window_positions AS p (${COLUMNS})
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::numeric[], $5::numeric[], $6::bigint[], $7::bigint[])
     ON CONFLICT (window_id, institution_id, unit) DO UPDATE SET paid = p.paid + excluded.paid,
       received = p.received + excluded.received, paid_count = p.paid_count + excluded.paid_count,
       received_count = p.received_count + excluded.received_count`,
    [
      added.map(({ windowId }) => windowId),
      added.map(({ institutionId }) => institutionId),
      added.map(({ unit }) => unit),
      added.map(({ paid }) => paid),
      added.map(({ received }) => received),
      added.map(({ paidCount }) => paidCount),
      added.map(({ receivedCount }) => receivedCount),
    ],
  );
}

/** What windows are listed by. */
export async function saveWindows(session: Session, events: readonly StoredEvent[], states: States): Promise<void> {
  const prefix = `${windowStream.aggregate.name}/`;
  const opened = new Map<string, bigint>();
  for (const { stream, position } of events) {
    const id = stream.slice(prefix.length);
    if (stream.startsWith(prefix)) opened.set(id, opened.get(id) ?? position);
  }
  if (opened.size === 0) return;
  const rows = [...opened].flatMap(([id, position]) => {
    const state = states.state(windowStream, id);
    if (state.status === 'none') return [];
    const [a, b] = state.scope.kind === 'bilateral' ? state.scope.institutions : [null, null];
    return [{ id, status: state.status, a, b, position }];
  });
  await session.query(
    `INSERT INTO windows (window_id, status, institution_a, institution_b, opened_position)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])
     ON CONFLICT (window_id) DO UPDATE SET status = excluded.status`,
    [
      rows.map(({ id }) => id),
      rows.map(({ status }) => status),
      rows.map(({ a }) => a),
      rows.map(({ b }) => b),
      rows.map(({ position }) => position),
    ],
  );
}
