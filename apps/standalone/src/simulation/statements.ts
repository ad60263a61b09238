import { isDeepStrictEqual } from 'node:util';
import { ledgerV1 } from '@finality/contracts';
import { readTransaction, type Session } from '@finality/event-store';
import { type Claim, CLAIM_PARTS, claimAccount, clearingClaim, type Unit } from '@finality/ledger';
import type { Pool } from 'pg';
import type { Client, Clients } from './clients.ts';

/** Few, so that most statements have more than one page. */
const PAGE_SIZE = 7;

type Line = ledgerV1.StatementEntry;
type Balance = ledgerV1.ClaimBalance;

/** An entry as the ledger's own tables have it. */
interface Posted {
  readonly number: bigint;
  readonly moved: bigint;
}

/**
 * What every institution is told of its accounts: each statement adds up, is the same page by page and as a stream, has exactly the ledger's entries, falls into two
 * adjoining ones, and closes with what GetBalances says, now and then.
 */
export async function statementProblems(clients: Clients, admin: Pool): Promise<readonly string[]> {
  const posted = await readTransaction({ pool: admin, schema: 'settlement' }, postedByAccount);
  const problems: string[] = [];
  for (const client of clients.institutions) {
    const told = await clients.look<ledgerV1.GetBalancesResponse>(
      'LedgerService',
      'getBalances',
      balancesOf(client),
      client,
    );
    for (const balance of told?.balances ?? [])
      problems.push(...(await claimProblems(clients, client, balance, posted)));
  }
  return problems;
}

const balancesOf = ({ institutionId }: Client, at?: Line['recordedAt']): ledgerV1.GetBalancesRequest => ({
  institutionId,
  at,
});

async function claimProblems(
  clients: Clients,
  client: Client,
  balance: Balance,
  posted: ReadonlyMap<string, readonly Posted[]>,
): Promise<readonly string[]> {
  const claim = claimOf(client, balance);
  const problems: string[] = [];
  const closing = new Map<string, ledgerV1.StatementSummary>();
  for (const part of CLAIM_PARTS) {
    const account = claimAccount(claim, part);
    const statement = await wholeStatement(clients, client, account);
    if (statement === undefined) return [];
    closing.set(part, statement.summary);
    const found = [
      ...sumProblems(statement),
      ...entryProblems(statement.entries, posted.get(account) ?? []),
      ...(await streamProblems(clients, client, statement)),
      ...(await adjoiningProblems(clients, client, statement)),
    ];
    problems.push(...found.map((problem) => `statement of ${account}: ${problem}`));
  }
  const closed = (part: (typeof CLAIM_PARTS)[number]): bigint => closing.get(part)!.closingBalance;
  const reserved = closing.get('available')!.closingPendingDebits;
  // What is put aside has accounts of its own.
  const expected = {
    ...balance,
    ...{ available: closed('available') - reserved, reserved },
    ...{ inFlight: closed('in_flight'), incoming: closed('incoming'), held: closed('held') },
  };
  if (!isDeepStrictEqual({ ...balance }, expected))
    problems.push(`balance of ${balance.claim} of ${client.institutionId} isn't what its statements close with`);
  return problems;
}

function claimOf({ institutionId }: Client, { claim, unit }: Balance): Claim {
  if (!claim.startsWith('wallet:')) return clearingClaim(institutionId, unit as Unit);
  return { kind: 'wallet', walletId: claim.slice('wallet:'.length) };
}

interface Whole {
  readonly summary: ledgerV1.StatementSummary;
  readonly entries: readonly Line[];
  readonly problems: readonly string[];
}

type Period = Pick<ledgerV1.GetStatementRequest, 'account' | 'fromTime' | 'toTime'>;

/** Page by page; undefined when a fault came in between. */
async function wholeStatement(
  clients: Clients,
  client: Client,
  account: string,
  period: Omit<Period, 'account'> = { fromTime: undefined, toTime: undefined },
): Promise<Whole | undefined> {
  const asked = { account, ...period, pageSize: PAGE_SIZE };
  const problems: string[] = [];
  const entries: Line[] = [];
  let summary: ledgerV1.StatementSummary | undefined;
  let pageToken = '';
  do {
    const request = { ...asked, pageToken };
    const page = await clients.look<ledgerV1.Statement>('LedgerService', 'getStatement', request, client);
    if (page?.summary === undefined) return undefined;
    if (summary !== undefined && !isDeepStrictEqual(page.summary, summary))
      problems.push('its pages differ in the summary');
    summary = page.summary;
    entries.push(...page.entries);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return summary && { summary, entries, problems };
}

/** Opening balance and entries give the closing balance, line by line. */
function sumProblems({ summary, entries, problems }: Whole): readonly string[] {
  const found = [...problems];
  let [balance, debits, credits] = [summary.openingBalance, 0n, 0n];
  for (const line of entries) {
    balance += line.credit - line.debit;
    debits += line.debit;
    credits += line.credit;
    if (line.balance !== balance) found.push(`entry ${line.number} says ${line.balance}, the lines so far ${balance}`);
  }
  if (balance !== summary.closingBalance || debits !== summary.debits || credits !== summary.credits)
    found.push(`it closes with ${summary.closingBalance}, its lines give ${balance}`);
  return found;
}

/** Nothing of the ledger's is missing, and nothing else is there. */
function entryProblems(entries: readonly Line[], posted: readonly Posted[]): readonly string[] {
  const told = entries.map(({ number, credit, debit }) => ({ number, moved: credit - debit }));
  return isDeepStrictEqual(told, posted)
    ? []
    : [`it has ${told.length} entries, the ledger ${posted.length}, or others`];
}

async function streamProblems(
  clients: Clients,
  client: Client,
  { summary, entries }: Whole,
): Promise<readonly string[]> {
  const { account } = summary;
  const request = { account, format: ledgerV1.StatementFormat.STATEMENT_FORMAT_MESSAGES };
  const parts = await clients.look<readonly ledgerV1.StatementPart[]>(
    'LedgerService',
    'streamStatement',
    request,
    client,
  );
  if (parts === undefined) return [];
  const streamed = parts.map((part) => part.summary ?? part.entry);
  return isDeepStrictEqual(streamed, [summary, ...entries]) ? [] : ['as a stream it is another one'];
}

/** Cut in two at one of its entries: the second opens with what the first closes with, which is what the balance was then. */
async function adjoiningProblems(clients: Clients, client: Client, whole: Whole): Promise<readonly string[]> {
  const { account } = whole.summary;
  const at = whole.entries[Math.floor(whole.entries.length / 2)]?.recordedAt;
  if (at === undefined) return [];
  const before = await wholeStatement(clients, client, account, { fromTime: undefined, toTime: at });
  const after = await wholeStatement(clients, client, account, { fromTime: at, toTime: undefined });
  if (before === undefined || after === undefined) return [];
  const problems = [...sumProblems(before), ...sumProblems(after)];
  if (before.summary.closingBalance !== after.summary.openingBalance)
    problems.push('of two adjoining ones the second opens otherwise');
  const numbers = [...before.entries, ...after.entries].map(({ number }) => number);
  if (
    !isDeepStrictEqual(
      numbers,
      whole.entries.map(({ number }) => number),
    )
  )
    problems.push('two adjoining ones have other entries');
  return problems;
}

/** What the tables themselves say, in order. */
async function postedByAccount(session: Session): Promise<ReadonlyMap<string, readonly Posted[]>> {
  const rows = await session.query<{ id: string; number: bigint; moved: bigint }>(
    `SELECT a.id, t.number,
       CASE WHEN t.kind IN ('pending', 'void') THEN 0 WHEN a.number = t.credit THEN t.amount ELSE -t.amount END AS moved
     FROM ledger_transfers t JOIN ledger_accounts a ON a.number IN (t.debit, t.credit) ORDER BY t.number, a.id`,
  );
  const posted = new Map<string, Posted[]>();
  for (const { id, number, moved } of rows) posted.set(id, [...(posted.get(id) ?? []), { number, moved }]);
  return posted;
}
