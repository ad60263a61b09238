import { claimPath } from '@finality/ledger';
import type { FoundLine } from '@finality/settlement';

/** Of a payer's line: more than is settled of it in one batch wait for the next one. */
export const LINE_RELEASED_MAX = 100;

export interface OpenRow {
  readonly id: string;
  /** Claim of a line; null: the row is a lineage. */
  readonly payer: string | null;
  readonly rank: number;
}

/** Lineages that payouts may still join, of wallets; and who is queued, of clearing claims, in the order of each line: one more than so many. */
export const OPEN = `
  SELECT lineage_id AS id, NULL AS payer, 0 AS rank, 0 AS place FROM lineages WHERE status = 'planned' AND (wallet_id = ANY($1::text[]) OR $2)
  UNION ALL
  SELECT line.settlement_id, claim, line.queue_rank, line.place FROM unnest($3::text[]) AS claim CROSS JOIN LATERAL (
    SELECT settlement_id, queue_rank, row_number() OVER (ORDER BY queue_rank, updated_position) AS place
    FROM settlements WHERE payer_claim = claim AND status = 'queued' ORDER BY queue_rank, updated_position LIMIT $4 + 1) line
  ORDER BY place, id`;

/** The lines of these payers, as {@link OPEN} found them. */
export function linesOf(
  institutionIds: readonly string[],
  rows: readonly OpenRow[],
  lineMax: number,
): readonly FoundLine[] {
  const byClaim = Map.groupBy(rows, ({ payer }) => payer);
  return institutionIds.flatMap((institutionId) => {
    const found = byClaim.get(claimPath({ kind: 'clearing', institutionId })) ?? [];
    if (found.length === 0) return [];
    const first = found.slice(0, lineMax).map(({ id, rank }) => ({ settlementId: id, rank }));
    return [{ institutionId, first, more: found.length > lineMax }];
  });
}
