import { err, fieldError, type Instant, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import type { Book, Records } from '../book.ts';
import {
  type Counted,
  isOf,
  isSameWindow,
  type Limits,
  type LimitsEvent,
  type LimitsState,
  roomAt,
  type SetLimits,
  usedIn,
  type WindowUse,
} from '../limits.ts';
import type { Settlement, SettlementEvent, Terms } from '../settlement.ts';
import { valued } from '../unit-terms.ts';
import { unknownInstitution } from './institutions.ts';
import { type Deciders, secondPersonRequired } from './second-person.ts';

export interface LimitsRequest extends Deciders {
  readonly institutionId: string;
  readonly limits: Limits;
  readonly reason: string;
  /** Asked for by the institution itself, which may make its limits tighter and not wider. */
  readonly isOwn: boolean;
}

/** Takes the place of all limits there were. What counts in a window of the same length and mode counts on; others count from now. */
export function setLimits(book: Book, request: LimitsRequest): Result<SetLimits, Refusal> {
  const { institutionId, limits, isOwn, ...decided } = request;
  if (book.institutions.get(institutionId).status === 'none') return err(unknownInstitution(institutionId));
  const before = book.limits.get(institutionId);
  if (!isTighter(limits, limitsOf(before))) {
    const message = 'expected limits that leave each present one as it is or make it tighter: operators may widen them';
    if (isOwn) return err(refusal('permission_denied', 'LIMITS_WIDENED', message));
    if (decided.confirmedBy === undefined) return err(secondPersonRequired());
  }
  const version = before.status === 'set' ? before.version + 1 : 1;
  const event = { type: 'limits_set', at: book.now, institutionId, version, limits, ...decided } as const;
  return ok(book.limits.record(institutionId, event) as SetLimits);
}

export const limitsOf = (state: LimitsState): Limits =>
  state.status === 'none'
    ? { transactions: [], windows: [] }
    : { transactions: state.transactions, windows: state.windows.map(({ limit }) => limit) };

function isTighter(next: Limits, before: Limits): boolean {
  const transactions = before.transactions.every(({ mode, maxSats }) =>
    next.transactions.some((limit) => limit.mode === mode && limit.maxSats <= maxSats),
  );
  const windows = before.windows.every((window) =>
    next.windows.some(
      (limit) =>
        isSameWindow(limit, window) &&
        limit.maxSats <= window.maxSats &&
        (window.countMax === undefined || (limit.countMax ?? Number.POSITIVE_INFINITY) <= window.countMax),
    ),
  );
  return transactions && windows;
}

/** Why a settlement may not begin now. */
export function limitRefusal(book: Book, from: string, counted: Counted): Refusal | undefined {
  const state = book.limits.get(from);
  if (state.status === 'none') return undefined;
  return transactionRefusal(state, counted) ?? windowRefusal(state, counted, book.now);
}

/** Why a settlement may never begin, however long it waits. */
export function hopelessRefusal(book: Book, from: string, counted: Counted): Refusal | undefined {
  const state = book.limits.get(from);
  if (state.status === 'none') return undefined;
  const { mode } = counted;
  const hopeless = state.windows.find((use) => isOf(use.limit, mode) && roomAt(use, counted, book.now) === undefined);
  return transactionRefusal(state, counted) ?? (hopeless && exceeded(hopeless, counted, book.now));
}

function transactionRefusal({ transactions }: SetLimits, { mode, amountSats }: Counted): Refusal | undefined {
  const limit = transactions.find((each) => isOf(each, mode) && amountSats > each.maxSats);
  if (limit === undefined) return undefined;
  const { maxSats } = limit;
  const message = `expected at most ${maxSats} sat in a settlement${inMode(limit)}, got ${amountSats}`;
  const details = { limit: `transaction${inMode(limit)}`, left_sats: `${maxSats}` };
  return limitExceeded(message, details, false);
}

/** Of several windows that have no room, the one that has none for longest. */
function windowRefusal({ windows }: SetLimits, counted: Counted, now: Instant): Refusal | undefined {
  let worst: { readonly use: WindowUse; readonly at: number } | undefined;
  for (const use of windows) {
    if (!isOf(use.limit, counted.mode)) continue;
    const at = roomAt(use, counted, now) ?? Number.POSITIVE_INFINITY;
    if (at > now && at > (worst?.at ?? now)) worst = { use, at };
  }
  return worst && exceeded(worst.use, counted, now);
}

const SECOND_MS = 1_000;

function exceeded(use: WindowUse, counted: Counted, now: Instant): Refusal {
  const { limit } = use;
  const used = usedIn(use, now);
  const leftSats = used.sats > limit.maxSats ? 0n : limit.maxSats - used.sats;
  const leftCount = limit.countMax === undefined ? undefined : Math.max(0, limit.countMax - used.count);
  const room = roomAt(use, counted, now);
  const roomSeconds = room === undefined ? undefined : Math.ceil(room / SECOND_MS);
  const name = `window of ${limit.seconds} s${inMode(limit)}`;
  const left = `${leftSats} sat${leftCount === undefined ? '' : ` in ${leftCount} settlements`}`;
  const again =
    roomSeconds === undefined ? 'there is never room for more' : `there is room at ${roomSeconds} (Unix time)`;
  const details = {
    limit: name,
    left_sats: `${leftSats}`,
    ...(leftCount !== undefined && { left_count: `${leftCount}` }),
    ...(roomSeconds !== undefined && { room_at: `${roomSeconds}` }),
  };
  const message = `expected at most the ${left} that are left in the ${name}, got ${counted.amountSats} sat: ${again}`;
  return limitExceeded(message, details, room !== undefined);
}

const inMode = ({ mode }: { readonly mode?: string }): string => (mode === undefined ? '' : `, ${mode.toUpperCase()}`);

const limitExceeded = (message: string, details: Readonly<Record<string, string>>, retryable: boolean): Refusal =>
  refusal('failed_precondition', 'LIMIT_EXCEEDED', message, {
    fields: [fieldError('amount_sats', message)],
    retryable,
    details,
  });

/** A settlement begins, or has. @returns the version of the limits that it counts against, where there are some */
export function count(book: Book, terms: Terms, at = book.now): number | undefined {
  const { settlementId, from, mode, amountSats } = valued(terms);
  const state = book.limits.get(from);
  if (state.status === 'none') return undefined;
  book.limits.record(from, { type: 'use_counted', at, settlementId, mode, amountSats });
  return state.version;
}

const ENDS_UNPAID: readonly SettlementEvent['type'][] = [
  'settlement_rejected',
  'settlement_cancelled',
  'settlement_expired',
  'settlement_failed',
];

/**
 * What ended unpaid has used nothing. For the book to do with whatever is recorded about settlements, so that no way to end is forgotten. What has once
 * settled counts for good, also where a reorg takes it back.
 */
export function returnUse(
  limits: Records<LimitsState, LimitsEvent>,
  state: Settlement,
  events: readonly SettlementEvent[],
): void {
  if (state.status === 'none' || state.counted === undefined) return;
  const end = events.find(({ type }) => ENDS_UNPAID.includes(type));
  if (end === undefined) return;
  const { settlementId, from, mode, amountSats } = valued(state.terms);
  const { at: countedAt, version } = state.counted;
  limits.record(from, { type: 'use_returned', at: end.at, settlementId, mode, amountSats, countedAt, version });
}
