import { compactSize, Malformed, Reader } from './reader.ts';

/** A multisig witness of 20 keys has 22. */
const WITNESS_ITEMS_MAX = 30;

/** A serialised witness stack, to its last byte; undefined where it isn't one. */
export function readWitness(bytes: Uint8Array): readonly Uint8Array[] | undefined {
  const reader = new Reader(bytes);
  try {
    const count = reader.compactSize();
    if (count > WITNESS_ITEMS_MAX) return undefined;
    const items = Array.from({ length: count }, () => reader.varBytes());
    return reader.remaining === 0 ? items : undefined;
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

/** A witness stack as it is serialised (BIP144). */
export function witnessBytes(items: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([compactSize(items.length), ...items.flatMap((item) => [compactSize(item.length), item])]);
}
