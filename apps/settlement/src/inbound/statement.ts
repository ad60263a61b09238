import { createHash } from 'node:crypto';
import { fromTimestamp, type ledgerV1, toTimestamp } from '@finality/contracts';
import type { Session } from '@finality/event-store';
import { type FieldError, fieldError, type Instant, invalid, type Principal } from '@finality/kernel';
import { accountSpec, creditBalance, type Totals } from '@finality/ledger';
import {
  type EntryRange,
  lastEntryBefore,
  readLastEntry,
  readStatementEntries,
  readStatementTotals,
  readTotalsAt,
  type StatementEntry,
  type StatementTotals,
  totalsAfter,
} from '@finality/ledger-store';
import { toRpcException } from '@finality/service';
import { living } from '@finality/settlement';
import { settlementStream } from '../store/streams.ts';
import { checkText, checkTime, refuseInvalid } from './fields.ts';
import type { Gateway } from './gateway.ts';
import { type StatementAccount, statementAccount } from './statement-accounts.ts';

/** Longer than any path of the chart of accounts. */
const ACCOUNT_LENGTH_MAX = 200;

type Timestamp = NonNullable<ledgerV1.GetStatementRequest['fromTime']>;

/** What is asked for. */
export type StatementPeriod = Pick<ledgerV1.GetStatementRequest, 'account' | 'fromTime' | 'toTime'>;

/** A statement whose end is fixed: whatever is posted from now on, it says the same. */
export interface OpenStatement {
  readonly period: StatementPeriod;
  readonly account: StatementAccount;
  readonly range: EntryRange;
  readonly isFinal: boolean;
  readonly totals: StatementTotals;
}

/** A time that may be asked about: a moment that has come. */
export function checkPastTime(field: string, time: Timestamp | undefined, now: Instant): FieldError | undefined {
  if (time === undefined) return undefined;
  if (checkTime(field, time) === undefined && fromTimestamp(time) <= now) return undefined;
  return fieldError(field, 'expected a time between 1970 and now');
}

/** @throws RefusalException INVALID_ARGUMENT naming every field that is wrong */
export function checkPeriod({ account, fromTime, toTime }: StatementPeriod, now: Instant): void {
  const times = [checkPastTime('from_time', fromTime, now), checkPastTime('to_time', toTime, now)];
  const isBackward = fromTime !== undefined && toTime !== undefined && fromTimestamp(fromTime) > fromTimestamp(toTime);
  refuseInvalid(
    checkText('account', account, 1, ACCOUNT_LENGTH_MAX),
    ...times,
    isBackward && times.every((problem) => problem === undefined)
      ? fieldError('from_time', 'expected a time that isn’t after to_time')
      : undefined,
  );
}

/**
 * @param range of the first page, for later ones; then nothing is looked for by time
 * @throws RefusalException NOT_FOUND
 */
export async function openStatement(
  gateway: Gateway,
  session: Session,
  asked: { readonly caller: Principal; readonly period: StatementPeriod; readonly range?: EntryRange },
): Promise<OpenStatement> {
  const { caller, period } = asked;
  const account = await statementAccount(gateway, session, caller, period.account);
  const last = await readLastEntry(session);
  if (asked.range !== undefined && (asked.range.after > asked.range.through || asked.range.through > last))
    throw notOurToken();
  const range = asked.range ?? {
    after: period.fromTime === undefined ? 0n : await lastEntryBefore(session, fromTimestamp(period.fromTime)),
    through: period.toTime === undefined ? last : await lastEntryBefore(session, fromTimestamp(period.toTime)),
  };
  const totals = await readStatementTotals(session, account.account, range);
  return { period, account, range, isFinal: period.toTime !== undefined && range.through < last, totals };
}

export function summaryMessage({ period, account, range, isFinal, totals }: OpenStatement): ledgerV1.StatementSummary {
  const { opening, closing } = totals;
  return {
    ...period,
    unit: accountSpec(account.account).unit,
    afterEntry: range.after,
    throughEntry: range.through,
    isFinal,
    openingBalance: creditBalance(opening),
    closingBalance: creditBalance(closing),
    debits: closing.debitsPosted - opening.debitsPosted,
    credits: closing.creditsPosted - opening.creditsPosted,
    openingPendingDebits: opening.debitsPending,
    openingPendingCredits: opening.creditsPending,
    closingPendingDebits: closing.debitsPending,
    closingPendingCredits: closing.creditsPending,
  };
}

export interface StatementLines {
  readonly lines: readonly ledgerV1.StatementEntry[];
  /** The last entry among them, and what the account stood at after it; missing when there are no more. */
  readonly next?: { readonly after: bigint; readonly totals: Totals };
}

/** The statement's next entries. @param from where they begin, and what the account stood at there, if that is known already */
export async function readLines(
  gateway: Gateway,
  session: Session,
  { account, range }: OpenStatement,
  from: { readonly after: bigint; readonly totals?: Totals; readonly limit: number },
): Promise<StatementLines> {
  const { after, limit } = from;
  const { entries, isLast } = await readStatementEntries(
    session,
    account.account,
    { after, through: range.through },
    limit,
  );
  const [atStart] = from.totals === undefined ? await readTotalsAt(session, [account.account], after) : [from.totals];
  const references = await referencesOf(gateway, entries);
  let totals = atStart!;
  const lines = entries.map((entry) => {
    totals = totalsAfter(totals, entry);
    return entryMessage(entry, { totals, references, account });
  });
  const last = entries.at(-1);
  return isLast || last === undefined ? { lines } : { lines, next: { after: last.number, totals } };
}

/** What payers called the settlements of some entries. */
async function referencesOf(
  { reader }: Gateway,
  entries: readonly StatementEntry[],
): Promise<ReadonlyMap<string, string>> {
  const ids = [...new Set(entries.flatMap(({ transfer }) => transfer.settlementId ?? []))];
  const states = await reader.loadStates(settlementStream, ids);
  return new Map(
    states.flatMap(({ state }, i) =>
      state.status === 'none' ? [] : [[ids[i]!, living(state).terms.referenceId ?? ''] as const],
    ),
  );
}

interface Shown {
  readonly totals: Totals;
  readonly references: ReadonlyMap<string, string>;
  readonly account: StatementAccount;
}

function entryMessage(entry: StatementEntry, { totals, references, account }: Shown): ledgerV1.StatementEntry {
  const { transfer, side } = entry;
  const moved = transfer.kind === 'pending' || transfer.kind === 'void' ? 0n : transfer.amount;
  return {
    number: entry.number,
    recordedAt: toTimestamp(entry.recordedAt),
    transferId: transfer.id,
    kind: transfer.kind,
    purpose: transfer.purpose,
    object: transfer.object,
    settlementId: transfer.settlementId ?? '',
    referenceId: references.get(transfer.settlementId ?? '') ?? '',
    counterAccount: account.maySee(entry.counterAccount) ? entry.counterAccount : '',
    debit: side === 'debit' ? moved : 0n,
    credit: side === 'credit' ? moved : 0n,
    amount: transfer.amount,
    balance: creditBalance(totals),
    pendingDebits: totals.debitsPending,
    pendingCredits: totals.creditsPending,
  };
}

/** Where a page ended, and the statement that it is one of. */
interface PagePlace {
  readonly range: EntryRange;
  readonly after: bigint;
}

export function encodePage(period: StatementPeriod, { range, after }: PagePlace, epoch: number): string {
  return Buffer.from(`s1.${epoch}.${range.after}.${range.through}.${after}.${digestOf(period)}`).toString('base64url');
}

const PAGE = /^s1\.(\d{1,9})\.(\d{1,18})\.(\d{1,18})\.(\d{1,18})\.([0-9a-f]{16})$/;

/** @throws RefusalException INVALID_ARGUMENT */
export function decodePage(token: string, period: StatementPeriod, epoch: number): PagePlace {
  const match = PAGE.exec(Buffer.from(token, 'base64url').toString('latin1'));
  if (match === null || match[5] !== digestOf(period)) throw notOurToken();
  if (Number(match[1]) !== epoch) {
    const message = 'it is from before this platform was restored: start from the beginning';
    throw toRpcException(invalid(fieldError('page_token', message)));
  }
  const [after, through, last] = [BigInt(match[2]!), BigInt(match[3]!), BigInt(match[4]!)];
  if (last < after || last > through) throw notOurToken();
  return { range: { after, through }, after: last };
}

/** A token goes on with the statement that it was given for, not with another. */
function digestOf({ account, fromTime, toTime }: StatementPeriod): string {
  const times = [fromTime, toTime].map((time) => (time === undefined ? '' : String(fromTimestamp(time))));
  return createHash('sha256')
    .update([account, ...times].join('\n'))
    .digest('hex')
    .slice(0, 16);
}

const notOurToken = (): Error =>
  toRpcException(invalid(fieldError('page_token', 'expected one that an earlier page of the same statement gave')));
