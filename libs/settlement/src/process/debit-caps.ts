import { err, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import { BTC, type Unit } from '@finality/ledger';
import type { Book } from '../book.ts';
import { capKey, capOf, type CappedPlace, DEBIT_CAPS_MAX, placeKey } from '../debit-cap.ts';
import type { Terms } from '../settlement.ts';
import { legsOf } from '../unit-terms.ts';
import { windowOf } from '../window.ts';
import { unknownInstitution } from './institutions.ts';
import { type Deciders, secondPersonRequired } from './second-person.ts';

export interface DebitCapRequest extends Deciders {
  readonly institutionId: string;
  readonly unit: Unit;
  /** In the unit. Missing: that of everybody, if there is one. */
  readonly cap?: bigint;
  readonly reason: string;
  /** Asked for by the institution itself, which may owe less and not more. */
  readonly isOwn: boolean;
}

/** Counts from the next settlement on. Below what is owed in a window by now it moves nothing, and stops what would owe more. */
export function setDebitCap(book: Book, request: DebitCapRequest): Result<undefined, Refusal> {
  const { isOwn, ...asked } = request;
  const { institutionId, unit, cap } = asked;
  if (book.institutions.get(institutionId).status === 'none') return err(unknownInstitution(institutionId));
  const { caps } = book.netting.get();
  const everybodySats = book.policy.debitCapSats;
  const before = capOf({ caps }, institutionId, unit, everybodySats);
  const after = cap ?? capOf({ caps: {} }, institutionId, unit, everybodySats);
  if (before !== undefined && (after === undefined || after > before)) {
    const message = `expected at most ${before} ${counted(unit)}, as it is now: operators may raise it`;
    if (isOwn) return err(refusal('permission_denied', 'DEBIT_CAP_RAISED', message));
    if (asked.confirmedBy === undefined) return err(secondPersonRequired('cap'));
  }
  const isNew = cap !== undefined && caps[capKey(institutionId, unit)] === undefined;
  if (isNew && Object.keys(caps).length >= DEBIT_CAPS_MAX) {
    const message = `expected fewer than ${DEBIT_CAPS_MAX} caps that institutions have of their own`;
    return err(refusal('failed_precondition', 'TOO_MANY_DEBIT_CAPS', message));
  }
  book.netting.record({ type: 'debit_cap_set', at: book.now, ...asked });
  return ok(undefined);
}

type Payment = Pick<Terms, 'from' | 'to' | 'amountSats' | 'units'>;

/** Why a CENTRALIZED settlement, by itself, isn't within the caps of who gives something with it on the window that it would fall into; undefined: it is. */
export function capShortage(book: Book, payment: Payment): string | undefined {
  for (const { windowId, from, unit, amount } of debitsOf(book, payment)) {
    const left = leftOf(book, { windowId, institutionId: from, unit });
    if (left === undefined || amount <= left) continue;
    // What a market maker may owe is nobody else's business.
    if (from !== payment.from) return 'the cap on what who quoted it may owe in a window';
    const sum = `${amount} ${counted(unit)}, ${left} ${counted(unit)} left`;
    return `the cap on what ${from} may owe in window ${windowId}: expected ${sum}`;
  }
  return undefined;
}

/** Whether all of them together leave nobody past a cap. */
export function areWithinCaps(book: Book, payments: readonly Payment[]): boolean {
  const debits = payments.flatMap((payment) => debitsOf(book, payment));
  const lefts = new Map<string, bigint>();
  for (const { windowId, from, unit } of debits) {
    const place = { windowId, institutionId: from, unit };
    const left = leftOf(book, place);
    if (left !== undefined) lefts.set(placeKey(place), left);
  }
  const change = (place: CappedPlace, by: bigint): void => {
    const known = lefts.get(placeKey(place));
    if (known !== undefined) lefts.set(placeKey(place), known + by);
  };
  for (const { windowId, from, to, unit, amount } of debits) {
    change({ windowId, institutionId: from, unit }, -amount);
    change({ windowId, institutionId: to, unit }, amount);
  }
  return [...lefts.values()].every((left) => left >= 0n);
}

interface Debit {
  readonly windowId: string;
  readonly from: string;
  readonly to: string;
  readonly unit: Unit;
  readonly amount: bigint;
}

/** What a settlement moves in the window into which it would fall. */
function debitsOf(book: Book, payment: Payment): readonly Debit[] {
  const legs = legsOf(payment);
  const windowId = windowOf(book.netting.get(), legs)?.windowId;
  return windowId === undefined ? [] : legs.map(({ from, to, money }) => ({ windowId, from, to, ...money }));
}

/** Of the cap, in its unit; undefined: there is none. */
function leftOf(book: Book, place: CappedPlace): bigint | undefined {
  const cap = capOf(book.netting.get(), place.institutionId, place.unit, book.policy.debitCapSats);
  return cap === undefined ? undefined : cap + book.capped.netOf(place);
}

const counted = (unit: Unit): string => (unit === BTC ? 'sat' : `of ${unit}`);
