import type { Session } from '@finality/event-store';
import { assert } from '@finality/kernel';
import {
  type Account,
  type AccountId,
  accountSpec,
  BTC,
  type Claim,
  CLAIM_PARTS,
  claimAccount,
  claimBalance,
  type ClaimBalance,
  claimPath,
  openAccount,
  type Unit,
} from '@finality/ledger';
import { ACCOUNT_COLUMNS, accountOf, type AccountRow } from './rows.ts';

/** Every account as it stands, and the position of the last transfer that it includes. */
export interface LedgerCut {
  readonly position: bigint;
  readonly accounts: readonly Account[];
}

/** The balances of claims at the present, in the order asked; a claim never used is all zero. */
export async function readBalances(session: Session, claims: readonly Claim[]): Promise<readonly ClaimBalance[]> {
  const ids = claims.flatMap((claim) => CLAIM_PARTS.map((part) => claimAccount(claim, part)));
  const accounts = await readAccounts(session, ids);
  return claims.map((claim) => claimBalance(claim, accounts));
}

/** These accounts at the present; one never used is empty. Asking for another is a bug. */
export async function readAccounts(session: Session, ids: readonly AccountId[]): Promise<(id: AccountId) => Account> {
  const rows = await session.query<AccountRow>(
    `SELECT ${ACCOUNT_COLUMNS} FROM ledger_accounts a WHERE a.id = ANY ($1::text[])`,
    [ids],
  );
  const found = new Map(rows.map((row) => [row.id as AccountId, accountOf(row)]));
  const asked = new Set(ids);
  return (id) => {
    assert(asked.has(id), `account ${id} wasn't asked for`);
    return found.get(id) ?? openAccount(accountSpec(id));
  };
}

/** All balances at one moment (one statement, one snapshot), ordered by account: the ledger's side of a reconciliation. */
export async function readLedgerCut(session: Session): Promise<LedgerCut> {
  const rows = await session.query<Partial<AccountRow> & { cut: string }>(
    `SELECT cut.position::text AS cut, ${ACCOUNT_COLUMNS}
     FROM ledger_head cut
     LEFT JOIN ledger_accounts a ON true
     ORDER BY a.id COLLATE "C"`,
  );
  const accounts = rows.filter((row): row is AccountRow & { cut: string } => typeof row.id === 'string').map(accountOf);
  return { position: BigInt(rows[0]?.cut ?? '0'), accounts };
}

/** Units beside BTC that an institution's clearing claims have ever been in, by their codes. */
export async function clearingUnits(session: Session, institutionId: string): Promise<readonly Unit[]> {
  const prefix = `${claimPath({ kind: 'clearing', institutionId })}/`;
  const rows = await session.query<{ unit: Unit }>(
    `SELECT DISTINCT a.unit FROM ledger_accounts a WHERE starts_with(a.id, $1) AND a.unit <> '${BTC}' ORDER BY a.unit`,
    [prefix],
  );
  return rows.map(({ unit }) => unit);
}
