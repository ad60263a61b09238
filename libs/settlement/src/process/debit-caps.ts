import { err, ok, refusal, type Refusal, type Result, type Sats } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import type { Book } from '../book.ts';
import { capOf, DEBIT_CAPS_MAX } from '../debit-cap.ts';
import type { Terms } from '../settlement.ts';
import { legsOf } from '../unit-terms.ts';
import { windowOf } from '../window.ts';
import { unknownInstitution } from './institutions.ts';
import { type Deciders, secondPersonRequired } from './second-person.ts';

export interface DebitCapRequest extends Deciders {
  readonly institutionId: string;
  /** Missing: that of everybody, if there is one. */
  readonly capSats?: Sats;
  readonly reason: string;
  /** Asked for by the institution itself, which may owe less and not more. */
  readonly isOwn: boolean;
}

/** Counts from the next settlement on. Below what is owed in a window by now it moves nothing, and stops what would owe more. */
export function setDebitCap(book: Book, request: DebitCapRequest): Result<undefined, Refusal> {
  const { isOwn, ...cap } = request;
  const { institutionId, capSats } = cap;
  if (book.institutions.get(institutionId).status === 'none') return err(unknownInstitution(institutionId));
  const { caps } = book.netting.get();
  const everybodySats = book.policy.debitCapSats;
  const before = capOf({ caps }, institutionId, everybodySats);
  const after = capSats ?? everybodySats;
  if (before !== undefined && (after === undefined || after > before)) {
    const message = `expected at most ${before} sat, as it is now: operators may raise it`;
    if (isOwn) return err(refusal('permission_denied', 'DEBIT_CAP_RAISED', message));
    if (cap.confirmedBy === undefined) return err(secondPersonRequired('cap_sats'));
  }
  if (capSats !== undefined && caps[institutionId] === undefined && Object.keys(caps).length >= DEBIT_CAPS_MAX) {
    const message = `expected fewer than ${DEBIT_CAPS_MAX} institutions with a cap of their own`;
    return err(refusal('failed_precondition', 'TOO_MANY_DEBIT_CAPS', message));
  }
  book.netting.record({ type: 'debit_cap_set', at: book.now, ...cap });
  return ok(undefined);
}

type Payment = Pick<Terms, 'from' | 'to' | 'amountSats' | 'units'>;

/** Why a CENTRALIZED settlement, by itself, isn't within the cap of who gives satoshi with it on the window that it would fall into; undefined: it is. */
export function capShortage(book: Book, payment: Payment): string | undefined {
  for (const { windowId, from, amountSats } of debitsOf(book, payment)) {
    const leftSats = leftOf(book, windowId, from);
    if (leftSats === undefined || amountSats <= leftSats) continue;
    // What a market maker may owe is nobody else's business.
    if (from !== payment.from) return 'the cap on what who quoted it may owe in a window';
    return `the cap on what ${from} may owe in window ${windowId}: expected ${amountSats} sat, ${leftSats} sat left`;
  }
  return undefined;
}

/** Whether all of them together leave nobody past his cap. */
export function areWithinCaps(book: Book, payments: readonly Payment[]): boolean {
  const debits = payments.flatMap((payment) => debitsOf(book, payment));
  const lefts = new Map<string, bigint>();
  for (const { windowId, from } of debits) {
    const leftSats = leftOf(book, windowId, from);
    if (leftSats !== undefined) lefts.set(`${windowId} ${from}`, leftSats);
  }
  const change = (windowId: string, institutionId: string, bySats: bigint): void => {
    const key = `${windowId} ${institutionId}`;
    const known = lefts.get(key);
    if (known !== undefined) lefts.set(key, known + bySats);
  };
  for (const { windowId, from, to, amountSats } of debits) {
    change(windowId, from, -amountSats);
    change(windowId, to, amountSats);
  }
  return [...lefts.values()].every((sats) => sats >= 0n);
}

interface Debit {
  readonly windowId: string;
  readonly from: string;
  readonly to: string;
  readonly amountSats: bigint;
}

/** What a settlement moves in satoshi, in the window into which it would fall. */
function debitsOf(book: Book, payment: Payment): readonly Debit[] {
  const legs = legsOf(payment);
  const windowId = windowOf(book.netting.get(), legs)?.windowId;
  if (windowId === undefined) return [];
  return legs
    .filter(({ money }) => money.unit === BTC)
    .map(({ from, to, money }) => ({ windowId, from, to, amountSats: money.amount }));
}

/** Of the cap, in satoshi; undefined: there is none. */
function leftOf(book: Book, windowId: string, institutionId: string): bigint | undefined {
  const capSats = capOf(book.netting.get(), institutionId, book.policy.debitCapSats);
  return capSats === undefined ? undefined : capSats + book.capped.netOf(windowId, institutionId);
}
