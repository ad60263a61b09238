import { fieldError, invalid } from '@finality/kernel';
import { toRpcException } from '@finality/service';

// Tokens and cursors are opaque, and carry the store's epoch: after a disaster an old one is refused instead of skipping what is missing.

/** A place in the log. */
export interface LogPlace {
  readonly position: bigint;
  readonly ordinal: number;
}

export function encodePlace(place: LogPlace, epoch: number): string {
  return Buffer.from(`1.${epoch}.${place.position}.${place.ordinal}`).toString('base64url');
}

/** @throws RefusalException INVALID_ARGUMENT */
export function decodePlace(text: string, epoch: number, field: string): LogPlace {
  const match = /^1\.(\d{1,9})\.(\d{1,18})\.(\d{1,9})$/.exec(Buffer.from(text, 'base64url').toString('latin1'));
  if (!match) throw toRpcException(invalid(fieldError(field, 'expected one that an earlier answer gave')));
  if (Number(match[1]) !== epoch) {
    throw toRpcException(
      invalid(fieldError(field, 'it is from before this platform was restored: start from the beginning')),
    );
  }
  return { position: BigInt(match[2]!), ordinal: Number(match[3]) };
}
