import type { addressV1 } from '@finality/contracts';
import { type FieldError, fieldError, invalid, type Principal, type Role } from '@finality/kernel';
import { RefusalException, requireInstitution } from '@finality/service';
import type { Doer } from '../destination-registry.ts';

const KEY_LENGTH_MAX = 128;
const ID_LENGTH_MAX = 128;
const LABEL_LENGTH_MAX = 128;
const REASON_LENGTH_MAX = 500;
const PAGE_SIZE_DEFAULT = 50;
const PAGE_SIZE_MAX = 1_000;

/** Collects what is wrong with the fields of a request. */
export class Fields {
  readonly errors: FieldError[] = [];

  add(field: string, description: string): void {
    this.errors.push(fieldError(field, description));
  }

  idempotencyKey(value: string): void {
    this.#length('idempotency_key', value, 1, KEY_LENGTH_MAX);
  }

  id(field: string, value: string, min: 0 | 1 = 1): void {
    this.#length(field, value, min, ID_LENGTH_MAX);
  }

  label(value: string, field = 'label'): void {
    this.#length(field, value, 0, LABEL_LENGTH_MAX);
    if (/\p{Cc}/u.test(value)) this.add(field, 'expected no control characters');
  }

  reason(value: string): void {
    this.#length('reason', value, 1, REASON_LENGTH_MAX);
  }

  /** What is in it is for the signer to judge. */
  statement(field: string, statement: addressV1.StatementSignature | undefined): void {
    if (statement === undefined) this.add(field, 'expected a signed statement, got none');
  }

  /** @throws RefusalException INVALID_ARGUMENT that names every wrong field */
  done(): void {
    if (this.errors.length > 0) throw new RefusalException(invalid(...this.errors));
  }

  #length(field: string, value: string, min: number, max: number): void {
    const { length } = [...value];
    if (length < min || length > max) this.add(field, `expected ${min} to ${max} characters, got ${length}`);
  }
}

/** Whose requests these are, whichever of its keys was used: the scope of idempotency keys. */
export function principalName({ institutionId, keyId, roles }: Principal): string {
  return roles.includes('institution') && institutionId !== undefined ? `institution/${institutionId}` : `key/${keyId}`;
}

/** An API key that does something; an institution's does it for that alone. */
export function doerOf({ keyId, institutionId, roles }: Principal): Doer {
  return { keyId, institutionId: roles.includes('institution') ? institutionId : undefined };
}

/** An institution acts for itself only, the other roles given for any. */
export function requireActingFor(principal: Principal, institutionId: string, others: readonly Role[]): void {
  if (others.some((role) => principal.roles.includes(role))) return;
  const allowed = requireInstitution(principal, institutionId);
  if (!allowed.ok) throw new RefusalException(allowed.error);
}

/** 0 is the default of 50. */
export function pageSizeOf(pageSize: number, fields: Fields): number {
  if (pageSize < 0 || pageSize > PAGE_SIZE_MAX)
    fields.add('page_size', `expected 1 to ${PAGE_SIZE_MAX}, got ${pageSize}`);
  return pageSize === 0 ? PAGE_SIZE_DEFAULT : pageSize;
}

/** Opaque to clients: the epoch of the store, and the position of the last item seen. */
export function pageToken(epoch: number, position: bigint): string {
  return Buffer.from(`${epoch}.${position}`).toString('base64url');
}

/** Position to go on after; 0 without a token. A token of another epoch may point at what isn't there any more. */
export function positionOf(token: string, epoch: number, fields: Fields): bigint {
  if (token === '') return 0n;
  const match = /^(\d{1,9})\.(\d{1,18})$/.exec(Buffer.from(token, 'base64url').toString('latin1'));
  if (match && Number(match[1]) === epoch && pageToken(epoch, BigInt(match[2]!)) === token) return BigInt(match[2]!);
  fields.add('page_token', 'expected the next_page_token of an earlier answer, or none to begin with');
  return 0n;
}
