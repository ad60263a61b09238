import { invalid, type FieldError, fieldError } from '@finality/kernel';
import { RefusalException } from '@finality/service';

/** Who may read and run reconciliation. */
export const READERS = ['operator', 'compliance', 'auditor'] as const;

const TEXT_LENGTH_MAX = 128;
const PAGE_SIZE_DEFAULT = 50;
const PAGE_SIZE_MAX = 1_000;

/** @throws RefusalException INVALID_ARGUMENT that names every wrong field */
export function refuseInvalid(...errors: readonly (FieldError | undefined)[]): void {
  const found = errors.filter((error) => error !== undefined);
  if (found.length > 0) throw new RefusalException(invalid(...found));
}

export function checkText(field: string, value: string): FieldError | undefined {
  const { length } = [...value];
  if (length >= 1 && length <= TEXT_LENGTH_MAX) return undefined;
  return fieldError(field, `expected 1 to ${TEXT_LENGTH_MAX} characters, got ${length}`);
}

export function checkPageSize(size: number): FieldError | undefined {
  if (size >= 0 && size <= PAGE_SIZE_MAX) return undefined;
  return fieldError('page_size', `expected 1 to ${PAGE_SIZE_MAX} (0: ${PAGE_SIZE_DEFAULT}), got ${size}`);
}

export const pageSizeOf = (size: number): number => (size === 0 ? PAGE_SIZE_DEFAULT : size);

/** Opaque to clients: the epoch of the store, and the position of the last report seen. */
export function pageToken(epoch: number, position: bigint): string {
  return Buffer.from(`${epoch}.${position}`).toString('base64url');
}

/** The position to go on before; undefined without a token, a fault for a token that isn't one of ours or of another epoch. */
export function parsePageToken(token: string, epoch: number): bigint | undefined | FieldError {
  if (token === '') return undefined;
  const match = /^(\d{1,9})\.(\d{1,18})$/.exec(Buffer.from(token, 'base64url').toString('latin1'));
  const position = match && Number(match[1]) === epoch ? BigInt(match[2]!) : undefined;
  if (position !== undefined && pageToken(epoch, position) === token) return position;
  return fieldError('page_token', 'expected the next_page_token of an earlier answer, or none to begin with');
}
