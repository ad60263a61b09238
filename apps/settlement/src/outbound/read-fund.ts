import type { FundMember } from '@finality/settlement';
import type { Pool } from 'pg';

interface FundRow {
  readonly institution_id: string;
  readonly line_sats: bigint;
  readonly drawn_sats: bigint;
  readonly collateral_sats: bigint;
  readonly contributed_sats: bigint;
}

/** Whoever has a line, owes something, or has contributed. */
const MEMBERS = `
  SELECT * FROM (
    SELECT institution_id, coalesce(a.overdraft, 0)::bigint AS line_sats,
      greatest(coalesce(a.debits_posted + a.debits_pending - a.credits_posted, 0), 0)::bigint AS drawn_sats,
      coalesce(c.credits_posted - c.debits_posted, 0)::bigint AS collateral_sats,
      coalesce(f.credits_posted - f.debits_posted, 0)::bigint AS contributed_sats
    FROM institutions
      LEFT JOIN ledger_accounts a ON a.id = 'clearing/' || institution_id || '/available'
      LEFT JOIN ledger_accounts c ON c.id = 'collateral/' || institution_id
      LEFT JOIN ledger_accounts f ON f.id = 'default_fund/' || institution_id) members
  WHERE line_sats > 0 OR drawn_sats > 0 OR contributed_sats > 0`;

/** What the default fund is sized by, as it is now. */
export async function readFund(pool: Pool): Promise<readonly FundMember[]> {
  const { rows } = await pool.query<FundRow>(MEMBERS);
  return rows.map((row) => ({
    institutionId: row.institution_id,
    lineSats: row.line_sats,
    drawnSats: row.drawn_sats,
    collateralSats: row.collateral_sats,
    contributedSats: row.contributed_sats,
  }));
}
