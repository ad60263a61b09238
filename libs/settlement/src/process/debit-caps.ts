import { err, ok, refusal, type Refusal, type Result, type Sats } from '@finality/kernel';
import type { Book } from '../book.ts';
import { capOf, DEBIT_CAPS_MAX } from '../debit-cap.ts';
import type { Terms } from '../settlement.ts';
import { windowBetween } from '../window.ts';
import { unknownInstitution } from './institutions.ts';

export interface DebitCapRequest {
  readonly institutionId: string;
  /** Missing: that of everybody, if there is one. */
  readonly capSats?: Sats;
  readonly reason: string;
  /** API key. */
  readonly by: string;
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
  if (isOwn && before !== undefined && (after === undefined || after > before)) {
    const message = `expected at most ${before} sat, as it is now: an operator may raise it`;
    return err(refusal('permission_denied', 'DEBIT_CAP_RAISED', message));
  }
  if (capSats !== undefined && caps[institutionId] === undefined && Object.keys(caps).length >= DEBIT_CAPS_MAX) {
    const message = `expected fewer than ${DEBIT_CAPS_MAX} institutions with a cap of their own`;
    return err(refusal('failed_precondition', 'TOO_MANY_DEBIT_CAPS', message));
  }
  book.netting.record({ type: 'debit_cap_set', at: book.now, ...cap });
  return ok(undefined);
}

type Payment = Pick<Terms, 'from' | 'to' | 'amountSats'>;

/** Why a CENTRALIZED settlement, by itself, isn't within the payer's cap on the window that it would fall into; undefined: it is. */
export function capShortage(book: Book, payment: Payment): string | undefined {
  const left = leftOf(book, payment);
  if (left === undefined || payment.amountSats <= left.sats) return undefined;
  const { from, amountSats } = payment;
  return `the cap on what ${from} may owe in window ${left.windowId}: expected ${amountSats} sat, ${left.sats} sat left`;
}

/** Whether all of them together leave nobody past his cap. */
export function areWithinCaps(book: Book, payments: readonly Payment[]): boolean {
  const lefts = new Map<string, bigint>();
  const change = (payment: Payment, of: 'from' | 'to', bySats: bigint): void => {
    const { [of]: institutionId } = payment;
    const window = windowBetween(book.netting.get(), payment.from, payment.to);
    const key = `${window?.windowId} ${institutionId}`;
    const known = lefts.get(key);
    if (known !== undefined) lefts.set(key, known + bySats);
  };
  for (const payment of payments) {
    const left = leftOf(book, payment);
    if (left !== undefined) lefts.set(`${left.windowId} ${payment.from}`, left.sats);
  }
  for (const payment of payments) {
    change(payment, 'from', -payment.amountSats);
    change(payment, 'to', payment.amountSats);
  }
  return [...lefts.values()].every((sats) => sats >= 0n);
}

/** Of the payer's cap, in satoshi; undefined: there is no window, or no cap. */
function leftOf(book: Book, { from, to }: Payment): { readonly windowId: string; readonly sats: bigint } | undefined {
  const netting = book.netting.get();
  const windowId = windowBetween(netting, from, to)?.windowId;
  const capSats = capOf(netting, from, book.policy.debitCapSats);
  if (windowId === undefined || capSats === undefined) return undefined;
  return { windowId, sats: capSats + book.capped.netOf(windowId, from) };
}
