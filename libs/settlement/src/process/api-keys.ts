import { assert, err, refusal, type Refusal, type Result, type Role } from '@finality/kernel';
import type { Book } from '../book.ts';
import type { ApiKey } from '../institution.ts';
import { type Existing, existing, unknownInstitution } from './institutions.ts';
import { type Deciders, secondPersonRequired } from './second-person.ts';

export interface NewApiKey {
  readonly keyId: string;
  /** Empty for operators, compliance officers and auditors. */
  readonly institutionId: string;
  readonly roles: readonly Role[];
  readonly label: string;
  /** Hex. Whoever the key is for has made the secret, and tells nobody. */
  readonly secretSha256: string;
}

export interface KeyRequest extends Deciders {
  readonly key: NewApiKey;
  readonly reason: string;
}

/**
 * Whatever its roles: an operator's makes a second person, an institution's moves its money, and a compliance officer's lets through what was stopped (ADR 28).
 * @returns API_KEY_EXISTS, UNKNOWN_INSTITUTION, SECOND_PERSON_REQUIRED
 */
export function issueApiKey(book: Book, request: KeyRequest): Result<Existing<ApiKey>, Refusal> {
  const { key, by, confirmedBy, reason } = request;
  const refused = keyRefusal(book, request);
  if (refused !== undefined) return err(refused);
  if (confirmedBy === undefined) return err(secondPersonRequired());
  const issued = { by, confirmedBy, reason };
  return existing(book.apiKeys.record(key.keyId, { type: 'api_key_issued', at: book.now, ...key, issued }));
}

/** Why it couldn't be issued, whoever confirms it. */
export function keyRefusal(book: Book, { key }: KeyRequest): Refusal | undefined {
  if (book.apiKeys.get(key.keyId).status !== 'none') return keyExists(key.keyId);
  const { institutionId } = key;
  return institutionId !== '' && book.institutions.get(institutionId).status === 'none'
    ? unknownInstitution(institutionId)
    : undefined;
}

/** By whoever installs the platform, and is none of its operators. Again, it changes nothing: what was revoked stays so. @returns API_KEY_EXISTS */
export function registerFirstKey(book: Book, key: NewApiKey): Result<Existing<ApiKey>, Refusal> {
  assert(key.institutionId === '', 'institutions’ keys are issued');
  const before = book.apiKeys.get(key.keyId);
  if (before.status === 'none')
    return existing(book.apiKeys.record(key.keyId, { type: 'api_key_issued', at: book.now, ...key }));
  return before.secretSha256 === key.secretSha256 ? existing(before) : err(keyExists(key.keyId));
}

/** By one person, at once. @returns UNKNOWN_API_KEY */
export function revokeApiKey(book: Book, keyId: string, reason: string): Result<Existing<ApiKey>, Refusal> {
  const key = book.apiKeys.get(keyId);
  if (key.status === 'none') return err(refusal('not_found', 'UNKNOWN_API_KEY', `no API key has the id "${keyId}"`));
  if (key.status === 'revoked') return existing(key);
  return existing(book.apiKeys.record(keyId, { type: 'api_key_revoked', at: book.now, reason }));
}

const keyExists = (keyId: string): Refusal =>
  refusal('already_exists', 'API_KEY_EXISTS', `expected an id that no key has, got ${keyId}`);
