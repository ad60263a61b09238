import { type FieldError, fieldError, invalid, MAX_MONEY_SATS } from '@finality/kernel';
import { toRpcException } from '@finality/service';

// Fields that several requests have. Each check gives undefined, or what is wrong.

export const PAGE_SIZE_DEFAULT = 50;
export const PAGE_SIZE_MAX = 1_000;
const IDEMPOTENCY_KEY_MAX = 128;
const REASON_MAX = 500;

/** @throws RefusalException INVALID_ARGUMENT naming every field that is wrong */
export function refuseInvalid(...problems: readonly (FieldError | undefined)[]): void {
  const found = problems.filter((problem) => problem !== undefined);
  if (found.length > 0) throw toRpcException(invalid(...found));
}

export function checkText(field: string, value: string, min: number, max: number): FieldError | undefined {
  const length = [...value].length;
  if (length >= min && length <= max) return undefined;
  return fieldError(field, `expected ${min} to ${max} characters, got ${length}`);
}

export const checkIdempotencyKey = (key: string): FieldError | undefined =>
  checkText('idempotency_key', key, 1, IDEMPOTENCY_KEY_MAX);

export const checkReason = (reason: string, min = 0): FieldError | undefined =>
  checkText('reason', reason, min, REASON_MAX);

/** In satoshi. */
export function checkAmount(field: string, amountSats: bigint): FieldError | undefined {
  const isAmount = amountSats >= 0n && amountSats <= MAX_MONEY_SATS;
  return isAmount ? undefined : fieldError(field, `expected 0 to ${MAX_MONEY_SATS} sat, got ${amountSats}`);
}

/** 0 means the default. */
export function checkPageSize(pageSize: number): FieldError | undefined {
  if (pageSize >= 0 && pageSize <= PAGE_SIZE_MAX) return undefined;
  return fieldError('page_size', `expected 0 (default) to ${PAGE_SIZE_MAX}, got ${pageSize}`);
}

export const pageSizeOf = (pageSize: number): number => (pageSize === 0 ? PAGE_SIZE_DEFAULT : pageSize);

/** The last second of the year 9999. */
const SECONDS_MAX = 253_402_300_799n;

/** A google.protobuf.Timestamp since 1970; where it is left out, nothing is wrong. */
export function checkTime(
  field: string,
  time: { readonly seconds: bigint; readonly nanos: number } | undefined,
): FieldError | undefined {
  if (time === undefined) return undefined;
  const isTime = time.seconds >= 0n && time.seconds <= SECONDS_MAX && time.nanos >= 0 && time.nanos < 1_000_000_000;
  return isTime ? undefined : fieldError(field, 'expected a time between 1970 and 9999');
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function checkId(field: string, id: string): FieldError | undefined {
  return UUID.test(id) ? undefined : fieldError(field, `expected a UUID in lower case, got "${id.slice(0, 64)}"`);
}

const INSTITUTION_ID = /^[a-z0-9][a-z0-9-]{2,63}$/;

export function checkInstitutionId(field: string, id: string): FieldError | undefined {
  return INSTITUTION_ID.test(id)
    ? undefined
    : fieldError(field, `expected 3 to 64 characters of a-z, 0-9 and "-", got "${id.slice(0, 64)}"`);
}

export const checkCounterpartyId = (id: string, own: string): FieldError | undefined =>
  id === own
    ? fieldError('counterparty_id', 'expected another institution, got the caller’s own')
    : checkInstitutionId('counterparty_id', id);
