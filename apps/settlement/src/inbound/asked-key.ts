import { institutionV1 } from '@finality/contracts';
import { type FieldError, fieldError, type Principal, type Role } from '@finality/kernel';
import { ROLES } from '../store/messages.ts';
import type { AskedChange } from './asked-change.ts';
import { checkInstitutionId, checkText, refuseInvalid } from './fields.ts';

const LABEL_MAX = 128;
const KEY_ID = /^[0-9a-f]{16}$/;
const SHA256_BYTES = 32;

/** For a person who has made it, and keeps its secret. @throws RefusalException */
export function askedKey(
  request: institutionV1.IssueApiKey,
  { idempotencyKey, reason }: { readonly idempotencyKey: string; readonly reason: string },
  { keyId: by }: Principal,
): AskedChange {
  const { keyId, institutionId, label } = request;
  const roles = request.roles.map(roleName).filter((role) => role !== undefined);
  refuseInvalid(
    KEY_ID.test(keyId)
      ? undefined
      : fieldError('key_id', `expected 16 hexadecimal digits in lower case, got "${keyId.slice(0, 80)}"`),
    checkRoles(request.roles, roles),
    checkOwner(institutionId, roles),
    checkText('label', label, 0, LABEL_MAX),
    request.secretSha256.length === SHA256_BYTES
      ? undefined
      : fieldError('secret_sha256', `expected ${SHA256_BYTES} bytes, got ${request.secretSha256.length}`),
  );
  const secretSha256 = Buffer.from(request.secretSha256).toString('hex');
  const key = { keyId, institutionId, roles, label, secretSha256 };
  const fields = {
    version: '1',
    key_id: keyId,
    institution_id: institutionId,
    roles: roles.join(','),
    label,
    secret_sha256: secretSha256,
    reason,
  };
  return {
    change: { type: 'issue_api_key', request: { key, reason, by } },
    claim: { rpc: 'IssueApiKey', key: idempotencyKey, resourceId: keyId, fields },
  };
}

function roleName(role: institutionV1.Role): Role | undefined {
  return (Object.keys(ROLES) as Role[]).find((name) => ROLES[name] === role);
}

function checkRoles(asked: readonly institutionV1.Role[], known: readonly Role[]): FieldError | undefined {
  if (asked.length === 0) return fieldError('roles', 'expected at least one role, got none');
  if (known.length !== asked.length || new Set(known).size !== known.length)
    return fieldError('roles', 'expected known roles, each once');
  // Whoever runs the platform is never one of those it serves.
  return known.includes('institution') && known.length > 1
    ? fieldError('roles', 'the institution role stands alone')
    : undefined;
}

function checkOwner(institutionId: string, roles: readonly Role[]): FieldError | undefined {
  if (roles.includes('institution')) return checkInstitutionId('institution_id', institutionId);
  return institutionId === ''
    ? undefined
    : fieldError('institution_id', 'expected none: only the institution role belongs to an institution');
}
