import { err, fieldError, ok, refusal, type Refusal, type Result, type Role } from '@finality/kernel';
import type { Book } from '../book.ts';
import type { ApiKey, Institution } from '../institution.ts';

type Existing<T extends { status: string }> = Exclude<T, { status: 'none' }>;

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

/** Somebody has looked at why it was frozen, and answers for it: also for an account that is overdrawn still. */
export function unfreezeInstitution(
  book: Book,
  institutionId: string,
  reason: string,
): Result<Existing<Institution>, Refusal> {
  const institution = book.institutions.get(institutionId);
  if (institution.status === 'none') return err(unknownInstitution(institutionId));
  if (institution.status === 'active') return ok(institution);
  return existing(book.institutions.record(institutionId, { type: 'institution_unfrozen', at: book.now, reason }));
}

export interface NewApiKey {
  readonly keyId: string;
  readonly institutionId: string;
  readonly roles: readonly Role[];
  readonly label: string;
  readonly secretSha256: string;
}

export function issueApiKey(book: Book, request: NewApiKey): Result<Existing<ApiKey>, Refusal> {
  if (request.institutionId !== '' && book.institutions.get(request.institutionId).status === 'none')
    return err(unknownInstitution(request.institutionId));
  return existing(book.apiKeys.record(request.keyId, { type: 'api_key_issued', at: book.now, ...request }));
}

export function revokeApiKey(book: Book, keyId: string, reason: string): Result<Existing<ApiKey>, Refusal> {
  const key = book.apiKeys.get(keyId);
  if (key.status === 'none') return err(refusal('not_found', 'UNKNOWN_API_KEY', `no API key has the id "${keyId}"`));
  if (key.status === 'revoked') return ok(key);
  return existing(book.apiKeys.record(keyId, { type: 'api_key_revoked', at: book.now, reason }));
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
