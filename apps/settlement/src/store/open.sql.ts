import type { Batch } from '@finality/event-store';
import { type FoundLine, lineOf } from '@finality/settlement';
import { settlementStream } from './streams.ts';

/** Of a payer's line: more than is settled of it in one batch wait for the next one. */
export const LINE_RELEASED_MAX = 100;

export interface OpenRow {
  readonly id: string;
  /** Null: the row is a lineage. */
  readonly line: string | null;
  readonly rank: number;
}

/** Lineages that payouts may still join, of wallets; and who is queued in lines, in the order of each: one more than so many. */
export const OPEN = `
  SELECT lineage_id AS id, NULL AS line, 0 AS rank, 0 AS place FROM lineages WHERE status = 'planned' AND (wallet_id = ANY($1::text[]) OR $2)
  UNION ALL
  SELECT line.settlement_id, claim, line.queue_rank, line.place FROM unnest($3::text[]) AS claim CROSS JOIN LATERAL (
    SELECT settlement_id, queue_rank, row_number() OVER (ORDER BY queue_rank, updated_position) AS place
    FROM settlements WHERE payer_claim = claim AND status = 'queued' ORDER BY queue_rank, updated_position LIMIT $4 + 1) line
  ORDER BY place, id`;

/** These lines, as {@link OPEN} found them. */
export function linesOf(lines: readonly string[], rows: readonly OpenRow[], lineMax: number): readonly FoundLine[] {
  const byLine = Map.groupBy(rows, ({ line }) => line);
  return lines.flatMap((line) => {
    const found = byLine.get(line) ?? [];
    if (found.length === 0) return [];
    const first = found.slice(0, lineMax).map(({ id, rank }) => ({ settlementId: id, rank }));
    return [{ line, first, more: found.length > lineMax }];
  });
}

/** In which CENTRALIZED ones of these settlements are, or would be. */
export function linesWith(batch: Batch, settlementIds: Iterable<string>): ReadonlySet<string> {
  const lines = new Set<string>();
  for (const id of settlementIds) {
    const settlement = batch.state(settlementStream, id);
    if (settlement.status !== 'none' && settlement.terms.mode === 'centralized') lines.add(lineOf(settlement.terms));
  }
  return lines;
}
