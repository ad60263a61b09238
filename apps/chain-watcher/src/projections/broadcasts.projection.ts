import type { Txid } from '@finality/bitcoin';
import { broadcast } from '@finality/chain';
import type { Session } from '@finality/event-store';
import type { Instant } from '@finality/kernel';
import type { CommandOf } from '../commands.ts';

// What we want on the chain, and when it is to be sent again.

export interface DueBroadcast {
  readonly txid: Txid;
  readonly lineageId: string;
  readonly raw: Uint8Array;
  readonly attempts: number;
}

/** Due ones that no block of ours holds, oldest first. */
export async function dueBroadcasts(session: Session, now: Instant, limit: number): Promise<readonly DueBroadcast[]> {
  return session.query<DueBroadcast>(
    `SELECT b.txid, b.lineage_id AS "lineageId", b.raw, b.attempts FROM broadcasts b
     WHERE b.wanted AND b.due_at <= $1
       AND NOT EXISTS (SELECT 1 FROM transactions t WHERE t.txid = b.txid AND t.status = 'confirmed')
     ORDER BY b.due_at, b.txid LIMIT $2`,
    [now, limit],
  );
}

/** Wanted and unconfirmed transactions with these txids, due or not: parents that may be missing. */
export async function wantedBroadcasts(session: Session, txids: readonly Txid[]): Promise<readonly DueBroadcast[]> {
  return session.query<DueBroadcast>(
    `SELECT b.txid, b.lineage_id AS "lineageId", b.raw, b.attempts FROM broadcasts b
     WHERE b.wanted AND b.txid = ANY($1::text[])
       AND NOT EXISTS (SELECT 1 FROM transactions t WHERE t.txid = b.txid AND t.status = 'confirmed')
     ORDER BY b.txid`,
    [txids],
  );
}

/** Which of these are transactions that we want on the chain. */
export async function wantedTxids(session: Session, txids: readonly Txid[]): Promise<ReadonlySet<Txid>> {
  const rows = await session.query<{ txid: Txid }>(
    'SELECT txid FROM broadcasts WHERE wanted AND txid = ANY($1::text[])',
    [txids],
  );
  return new Set(rows.map((row) => row.txid));
}

/** The lineages of those of these that are transactions of ours. */
export async function lineagesOf(session: Session, txids: readonly Txid[]): Promise<ReadonlyMap<Txid, string>> {
  const rows = await session.query<{ txid: Txid; lineage_id: string }>(
    'SELECT txid, lineage_id FROM broadcasts WHERE txid = ANY($1::text[])',
    [txids],
  );
  return new Map(rows.map((row) => [row.txid, row.lineage_id]));
}

export async function broadcastCounts(
  session: Session,
): Promise<{ readonly wanted: number; readonly conflicts: number }> {
  const [row] = await session.query<{ wanted: number; conflicts: number }>(
    `SELECT count(*)::int AS wanted, (count(*) FILTER (WHERE conflict IS NOT NULL))::int AS conflicts
     FROM broadcasts WHERE wanted`,
  );
  return row ?? { wanted: 0, conflicts: 0 };
}

export async function saveWanted(
  session: Session,
  wanted: Omit<CommandOf<'want_broadcast'>, 'kind'>,
  now: Instant,
): Promise<void> {
  await session.query(
    `INSERT INTO broadcasts (txid, lineage_id, version, raw, wanted, announced, due_at, attempts)
     VALUES ($1, $2, $3, $4, true, false, $5, 0) ON CONFLICT (txid) DO NOTHING`,
    [wanted.txid, wanted.lineageId, wanted.version, Buffer.from(wanted.raw), now],
  );
}

export async function saveStopped(session: Session, txid: Txid): Promise<void> {
  await session.query('UPDATE broadcasts SET wanted = false WHERE txid = $1', [txid]);
}

export async function announced(session: Session, txid: Txid): Promise<void> {
  await session.query('UPDATE broadcasts SET announced = true WHERE txid = $1', [txid]);
}

export async function saveAnswer(session: Session, answer: CommandOf<'record_answer'>): Promise<void> {
  await session.query(
    `UPDATE broadcasts SET last_answer = $2, conflict = $3, due_at = $4, attempts = attempts + 1,
       announced = announced OR $5 WHERE txid = $1`,
    [answer.txid, answer.answer, answer.conflict, answer.dueAt, isSuccess(answer.answer)],
  );
}

/** After a reorg the node may have dropped what it took back. */
export async function makeAllDue(session: Session, now: Instant): Promise<void> {
  await session.query('UPDATE broadcasts SET due_at = $1 WHERE wanted AND due_at > $1', [now]);
}

/** Answers that mean: the node has it. */
export function isSuccess(
  answer: CommandOf<'record_answer'>['answer'],
): answer is 'accepted' | 'already_in_mempool' | 'already_mined' {
  return answer === 'accepted' || answer === 'already_in_mempool' || answer === 'already_mined';
}

/** The trace of the message that asked for this broadcast, when it had one. */
export async function traceOf(session: Session, txid: Txid): Promise<string | undefined> {
  const [row] = await session.query<{ traceparent: string | null }>(
    'SELECT traceparent FROM events WHERE stream = $1 AND version = 1',
    [`${broadcast.name}/${txid}`],
  );
  return row?.traceparent ?? undefined;
}
