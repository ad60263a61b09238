import { err, fieldError, type Instant, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import type { Book } from '../book.ts';
import { COUNTERPARTIES_MAX, counterpartyOf, type PaymentRulesState } from '../payment-rules.ts';
import { unknownInstitution } from './institutions.ts';
import { type Deciders, secondPersonRequired } from './second-person.ts';

interface Asked {
  readonly institutionId: string;
  /** API key. */
  readonly by: string;
}

export interface Restriction extends Asked, Deciders {
  readonly isRestricted: boolean;
  readonly reason: string;
  /** Asked for by the institution itself, which may bind itself and not free itself: that takes two operators. */
  readonly isOwn: boolean;
}

export interface CounterpartyRequest extends Asked {
  readonly counterpartyId: string;
}

/** From now on only those on the list may be paid, or anyone. The list stays as it is. */
export function restrictCounterparties(book: Book, request: Restriction): Result<PaymentRulesState, Refusal> {
  const { isRestricted, isOwn, ...decided } = request;
  const { institutionId } = decided;
  if (book.institutions.get(institutionId).status === 'none') return err(unknownInstitution(institutionId));
  const state = book.paymentRules.get(institutionId);
  if ((state.status === 'set' && state.isRestricted) === isRestricted) return ok(state);
  if (isOwn && !isRestricted) {
    const message = 'expected an operator: an institution doesn’t free itself from its list of counterparties';
    return err(refusal('permission_denied', 'OPERATOR_REQUIRED', message));
  }
  if (!isRestricted && decided.confirmedBy === undefined) return err(secondPersonRequired('restricted'));
  const type = isRestricted ? 'counterparties_restricted' : 'counterparties_freed';
  return ok(book.paymentRules.record(institutionId, { type, at: book.now, ...decided }));
}

/** On the list, and to be paid when it has cooled: time to find out that it wasn't meant. Who is on it already stays as he is. */
export function allowCounterparty(book: Book, request: CounterpartyRequest): Result<PaymentRulesState, Refusal> {
  const { institutionId, counterpartyId, by } = request;
  if (book.institutions.get(institutionId).status === 'none') return err(unknownInstitution(institutionId));
  if (book.institutions.get(counterpartyId).status === 'none') {
    const message = `no institution is named "${counterpartyId}"`;
    return err(
      refusal('not_found', 'UNKNOWN_INSTITUTION', message, { fields: [fieldError('counterparty_id', message)] }),
    );
  }
  const state = book.paymentRules.get(institutionId);
  if (counterpartyOf(state, counterpartyId) !== undefined) return ok(state);
  if (state.status === 'set' && state.counterparties.length >= COUNTERPARTIES_MAX) {
    const message = `expected at most ${COUNTERPARTIES_MAX} counterparties on a list`;
    return err(refusal('failed_precondition', 'TOO_MANY_COUNTERPARTIES', message));
  }
  const at = book.now;
  const allowedFrom = (at + book.policy.counterpartyCoolingMs) as Instant;
  const event = { type: 'counterparty_allowed', at, institutionId, counterpartyId, by, allowedFrom } as const;
  return ok(book.paymentRules.record(institutionId, event));
}

/** At once. What has begun goes on; what is scheduled is judged again when it falls due. */
export function removeCounterparty(book: Book, request: CounterpartyRequest): Result<PaymentRulesState, Refusal> {
  const { institutionId, counterpartyId, by } = request;
  const state = book.paymentRules.get(institutionId);
  if (counterpartyOf(state, counterpartyId) === undefined) {
    const message = `${counterpartyId} isn't on ${institutionId}'s list`;
    return err(
      refusal('not_found', 'UNKNOWN_COUNTERPARTY', message, { fields: [fieldError('counterparty_id', message)] }),
    );
  }
  const event = { type: 'counterparty_removed', at: book.now, institutionId, counterpartyId, by } as const;
  return ok(book.paymentRules.record(institutionId, event));
}

const SECOND_MS = 1_000;

/** Why the payer may not pay this payee. What pays back a settlement goes to where it came from, list or not. */
export function counterpartyRefusal(
  book: Book,
  { from, to, reverses }: { readonly from: string; readonly to: string; readonly reverses?: string },
): Refusal | undefined {
  const state = book.paymentRules.get(from);
  if (state.status === 'none' || !state.isRestricted || reverses !== undefined) return undefined;
  const allowedFrom = counterpartyOf(state, to)?.allowedFrom;
  if (allowedFrom === undefined) return notAllowed(`${from} pays only those on its list, and ${to} isn't on it`);
  if (allowedFrom <= book.now) return undefined;
  const seconds = `${Math.ceil(allowedFrom / SECOND_MS)}`;
  return notAllowed(`${from} may pay ${to} from ${seconds} (Unix time) on`, seconds);
}

const notAllowed = (message: string, allowedFrom?: string): Refusal =>
  refusal('failed_precondition', 'COUNTERPARTY_NOT_ALLOWED', message, {
    fields: [fieldError('to_institution', message)],
    retryable: allowedFrom !== undefined,
    ...(allowedFrom !== undefined && { details: { allowed_from: allowedFrom } }),
  });
