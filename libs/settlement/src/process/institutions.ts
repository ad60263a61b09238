import { err, fieldError, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import type { Book } from '../book.ts';
import type { Institution } from '../institution.ts';
import { type Deciders, secondPersonRequired } from './second-person.ts';

export type Existing<T extends { status: string }> = Exclude<T, { status: 'none' }>;

export interface NewInstitution {
  readonly institutionId: string;
  readonly name: string;
  readonly creditLineSats: bigint;
}

export function createInstitution(book: Book, request: NewInstitution): Result<Existing<Institution>, Refusal> {
  if (book.institutions.get(request.institutionId).status !== 'none') {
    return err(
      refusal(
        'already_exists',
        'INSTITUTION_EXISTS',
        `there is an institution named "${request.institutionId}" already`,
      ),
    );
  }
  book.ledger.setCreditLine({ kind: 'clearing', institutionId: request.institutionId }, request.creditLineSats);
  return existing(
    book.institutions.record(request.institutionId, { type: 'institution_created', at: book.now, ...request }),
  );
}

/** Frozen already: the first reason stays. */
export function freezeInstitution(
  book: Book,
  institutionId: string,
  reason: string,
): Result<Existing<Institution>, Refusal> {
  const institution = book.institutions.get(institutionId);
  if (institution.status === 'none') return err(unknownInstitution(institutionId));
  if (institution.status === 'frozen') return ok(institution);
  return existing(book.institutions.record(institutionId, { type: 'institution_frozen', at: book.now, reason }));
}

export interface UnfreezeRequest extends Deciders {
  readonly institutionId: string;
  readonly reason: string;
  /** What it owes to those who stood in for it doesn't matter: it may spend what comes in. */
  readonly althoughOwing: boolean;
}

/**
 * Two persons have looked at why it was frozen, and answer for it: also for an account that is overdrawn still. What comes in while it owes belongs to those
 * who stood in for it, and is with them only when its balance has been looked at: so nothing may leave it meanwhile, unless both say so (ADR 22).
 * @returns UNKNOWN_INSTITUTION, NOT_FROZEN, DEFAULT_OPEN, DEFAULT_OWED, SECOND_PERSON_REQUIRED
 */
export function unfreezeInstitution(book: Book, request: UnfreezeRequest): Result<Existing<Institution>, Refusal> {
  const { institutionId, reason, by, confirmedBy } = request;
  const refused = unfreezeRefusal(book, request);
  if (refused !== undefined) return err(refused);
  if (confirmedBy === undefined) return err(secondPersonRequired());
  const isOwing = debtOf(book, institutionId) !== undefined;
  const unfrozen = { type: 'institution_unfrozen', at: book.now, reason, by, confirmedBy, isOwing } as const;
  return existing(book.institutions.record(institutionId, unfrozen));
}

/** Why it can't be, whoever confirms it. */
export function unfreezeRefusal(book: Book, { institutionId, althoughOwing }: UnfreezeRequest): Refusal | undefined {
  const { status } = book.institutions.get(institutionId);
  if (status === 'none') return unknownInstitution(institutionId);
  if (status === 'active')
    return refusal('failed_precondition', 'NOT_FROZEN', `expected a frozen institution, got ${institutionId}`);
  const debt = debtOf(book, institutionId);
  if (debt === 'being collected')
    return refusal('failed_precondition', 'DEFAULT_OPEN', 'its default isn’t closed yet', { retryable: true });
  if (debt === undefined || althoughOwing) return undefined;
  const message = 'expected an institution that owes nobody what it defaulted on, or althoughOwing';
  return refusal('failed_precondition', 'DEFAULT_OWED', message, { fields: [fieldError('although_owing', message)] });
}

function debtOf(book: Book, institutionId: string): 'being collected' | 'owed' | undefined {
  const credit = book.credits.get(institutionId);
  if (credit.status === 'none') return undefined;
  if (credit.open !== undefined) return 'being collected';
  return credit.owing.length > 0 ? 'owed' : undefined;
}

export const unknownInstitution = (institutionId: string): Refusal =>
  refusal('not_found', 'UNKNOWN_INSTITUTION', `no institution is named "${institutionId}"`, {
    fields: [{ field: 'institution_id', description: `expected a registered institution, got "${institutionId}"` }],
  });

/** It doesn't exist, or is frozen: named by the field that says which. */
export function institutionRefusal(book: Book, institutionId: string, field: string): Refusal | undefined {
  const institution = book.institutions.get(institutionId);
  if (institution.status === 'none') {
    return refusal('not_found', 'UNKNOWN_INSTITUTION', `no institution is named "${institutionId}"`, {
      fields: [fieldError(field, `expected a registered institution, got "${institutionId}"`)],
    });
  }
  if (institution.status === 'frozen') {
    return refusal(
      'failed_precondition',
      'INSTITUTION_FROZEN',
      `${institutionId} is frozen: ${institution.reason ?? ''}`,
      {
        fields: [fieldError(field, 'expected an active institution, got a frozen one')],
      },
    );
  }
  return undefined;
}

/** What was recorded a moment ago, which is there. */
export function existing<T extends { readonly status: string }>(state: T): Result<Existing<T>, Refusal> {
  if (state.status === 'none') throw new Error('recorded a moment ago, and not there');
  return ok(state as Existing<T>);
}
