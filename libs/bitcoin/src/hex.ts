import { assert } from '@finality/kernel';

const HEX = /^(?:[0-9a-f]{2})*$/i;

/** Whether `text` is whole bytes of hexadecimal, in either case. */
export const isHex = (text: string): boolean => HEX.test(text);

/** The bytes of hexadecimal text that is known to be well formed; anything else is a bug (`Buffer.from` alone would cut it short). */
export function bytesFromHex(hex: string): Uint8Array {
  assert(isHex(hex), 'expected an even number of hexadecimal digits');
  return Buffer.from(hex, 'hex');
}

/** Lower-case hexadecimal. */
export function hexFromBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** Hex of the bytes back to front: how Bitcoin displays hashes. */
export function reversedHex(bytes: Uint8Array): string {
  return hexFromBytes(bytes.toReversed());
}

/** The inverse of {@link reversedHex}: a displayed hash as it stands in blocks and transactions. */
export function bytesFromReversedHex(hex: string): Uint8Array {
  return bytesFromHex(hex).toReversed();
}
