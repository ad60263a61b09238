import { availableAccount, clearingClaim, pledgeAccount, type Unit } from '@finality/ledger';
import type { FundMember } from '@finality/settlement';
import type { Pool } from 'pg';

interface FundRow {
  readonly institution_id: string;
  readonly line: bigint;
  readonly drawn: bigint;
  readonly collateral: bigint;
  readonly contributed: bigint;
}

/** Stands for the id of an institution in the path of an account. */
const ID = 'x';

/** Whoever has a line, owes something, or has contributed. */
const MEMBERS = `
  SELECT * FROM (
    SELECT institution_id, coalesce(a.overdraft, 0)::bigint AS line,
      greatest(coalesce(a.debits_posted + a.debits_pending - a.credits_posted, 0), 0)::bigint AS drawn,
      coalesce(c.credits_posted - c.debits_posted, 0)::bigint AS collateral,
      coalesce(f.credits_posted - f.debits_posted, 0)::bigint AS contributed
    FROM institutions
      LEFT JOIN ledger_accounts a ON a.id = 'clearing/' || institution_id || $1
      LEFT JOIN ledger_accounts c ON c.id = 'collateral/' || institution_id || $2
      LEFT JOIN ledger_accounts f ON f.id = 'default_fund/' || institution_id || $2) members
  WHERE line > 0 OR drawn > 0 OR contributed > 0`;

/** What the default fund is sized by in a unit, as it is now. */
export async function readFund(pool: Pool, unit: Unit): Promise<readonly FundMember[]> {
  const available = availableAccount(clearingClaim(ID, unit)).slice(`clearing/${ID}`.length);
  const pledged = pledgeAccount('collateral', ID, unit).slice(`collateral/${ID}`.length);
  const { rows } = await pool.query<FundRow>(MEMBERS, [available, pledged]);
  return rows.map(({ institution_id: institutionId, ...amounts }) => ({ institutionId, ...amounts }));
}

/** Units in which somebody has ever contributed, or may owe something. */
export async function readFundUnits(pool: Pool): Promise<readonly Unit[]> {
  const { rows } = await pool.query<{ unit: Unit }>(
    `SELECT DISTINCT unit FROM ledger_accounts WHERE starts_with(id, 'default_fund/') OR overdraft > 0 ORDER BY unit`,
  );
  return rows.map(({ unit }) => unit);
}
