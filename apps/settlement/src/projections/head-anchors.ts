import type { Session, States, StoredEvent } from '@finality/event-store';
import { type HeadAnchor, headAnchorOf, type HeadAnchorStatus } from '../store/head-anchor-message.ts';
import { lineageStream } from '../store/streams.ts';
import { changed } from './streams.ts';

export const headAnchorTables = (schema: string): readonly string[] => [
  `CREATE TABLE ${schema}.head_anchors (
      lineage_id text PRIMARY KEY, epoch integer NOT NULL, segment integer NOT NULL, hash text NOT NULL, status text NOT NULL, planned_at bigint NOT NULL,
      txid text, block_hash text, height integer)`,
  `CREATE INDEX head_anchors_segment ON ${schema}.head_anchors (segment)`,
  `CREATE INDEX head_anchors_planned ON ${schema}.head_anchors (planned_at)`,
];

/** Heads of the ledger that lineages anchor, a row each: what lists tell, and when the next one is due. */
export async function saveHeadAnchors(session: Session, events: readonly StoredEvent[], states: States): Promise<void> {
  const rows = [...changed(events, lineageStream.aggregate.name).keys()].flatMap((lineageId) => {
    const anchor = headAnchorOf(states.state(lineageStream, lineageId));
    return anchor === undefined ? [] : [{ lineageId, ...anchor, plannedAt: firstAt(events, lineageId) }];
  });
  if (rows.length === 0) return;
  await session.query(
    `INSERT INTO head_anchors (lineage_id, epoch, segment, hash, status, txid, block_hash, height, planned_at)
     SELECT * FROM unnest($1::text[], $2::int[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[], $9::bigint[])
     ON CONFLICT (lineage_id) DO UPDATE SET status = excluded.status, txid = excluded.txid, block_hash = excluded.block_hash, height = excluded.height`,
    [
      rows.map(({ lineageId }) => lineageId),
      rows.map(({ head }) => head.epoch),
      rows.map(({ head }) => head.segment),
      rows.map(({ head }) => head.hash),
      rows.map(({ status }) => status),
      rows.map(({ txid }) => txid ?? null),
      rows.map(({ block }) => block?.hash ?? null),
      rows.map(({ block }) => block?.height ?? null),
      rows.map(({ plannedAt }) => plannedAt),
    ],
  );
}

/** When the first of these was recorded that happened to a lineage. */
const firstAt = (events: readonly StoredEvent[], lineageId: string): number =>
  events.find(({ stream }) => stream === `${lineageStream.aggregate.name}/${lineageId}`)!.recordedAt;

interface Row {
  readonly epoch: number;
  readonly segment: number;
  readonly hash: string;
  readonly status: HeadAnchorStatus;
  readonly txid: string | null;
  readonly block_hash: string | null;
  readonly height: number | null;
}

/** Those of these segments, in their order. */
export async function readHeadAnchors(
  session: Pick<Session, 'query'>,
  fromSegment: number,
  toSegment: number,
): Promise<readonly HeadAnchor[]> {
  const rows = await session.query<Row>(
    `SELECT epoch, segment, hash, status, txid, block_hash, height FROM head_anchors
     WHERE segment BETWEEN $1 AND $2 ORDER BY segment, epoch, lineage_id`,
    [fromSegment, toSegment],
  );
  return rows.map(({ epoch, segment, hash, status, txid, block_hash: blockHash, height }) => ({
    head: { epoch, segment, hash },
    status,
    ...(txid !== null && { txid }),
    ...(blockHash !== null && height !== null && { block: { hash: blockHash, height } }),
  }));
}
