import { err, ok, type Principal, type Refusal, refusal, type Result, type Role } from '@finality/kernel';
import type { Metadata } from '@grpc/grpc-js';
import { type KeyDirectory, parseApiKey, principalOf, sameHash } from './api-key.ts';

const HELP = `send the metadata "authorization: Bearer fin_<key id>_<secret>"`;

/** Who is calling. A key that is unknown, wrong or revoked is refused in the same words: which of them it was is nobody's business. */
export function authenticate(metadata: Metadata, directory: KeyDirectory): Result<Principal, Refusal> {
  const values = metadata.get('authorization');
  const [header] = values;
  if (values.length !== 1 || typeof header !== 'string') {
    return err(refusal('unauthenticated', 'API_KEY_MISSING', `an API key is required: ${HELP}`));
  }
  const [, bearer] = /^bearer +(\S+) *$/i.exec(header) ?? [];
  const presented = bearer === undefined ? undefined : parseApiKey(bearer);
  if (presented === undefined)
    return err(refusal('unauthenticated', 'API_KEY_MALFORMED', `this is not an API key: ${HELP}`));
  const record = directory.find(presented.keyId);
  if (!record || !sameHash(record.secretSha256, presented.secretSha256) || record.revoked) {
    return err(refusal('unauthenticated', 'API_KEY_INVALID', 'this API key is not valid (any more)'));
  }
  return ok(principalOf(record));
}

/** One of these roles is needed. */
export function requireRole(principal: Principal, ...roles: readonly Role[]): Result<Principal, Refusal> {
  if (roles.some((role) => principal.roles.includes(role))) return ok(principal);
  const message = `this needs a key with role ${roles.join(' or ')}; yours has ${principal.roles.join(', ') || 'none'}`;
  return err(refusal('permission_denied', 'ROLE_REQUIRED', message));
}

/** The key has to belong to that institution. */
export function requireInstitution(principal: Principal, institutionId: string): Result<Principal, Refusal> {
  if (principal.roles.includes('institution') && principal.institutionId === institutionId) return ok(principal);
  return err(
    refusal('permission_denied', 'FOREIGN_INSTITUTION', `this key can't act for institution ${institutionId}`),
  );
}
