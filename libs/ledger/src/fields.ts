import { hash } from 'node:crypto';

/** Of SHA-256, in bytes. */
export const HASH_BYTES = 32;
const LENGTH_BYTES = 4;
/** UTF-8 takes at most three bytes per unit of a JavaScript string. */
const BYTES_PER_UNIT_MAX = 3;
const INITIAL_BYTES = 4_096;

/**
 * Writes fields, each as its length in bytes (unsigned 32 bit, big endian) followed by its UTF-8 bytes: what ids and hashes are taken over. One
 * buffer serves for everything, since a ledger hashes thrice per transfer.
 */
export class FieldWriter {
  #bytes = Buffer.allocUnsafe(INITIAL_BYTES);
  #length = 0;

  /** Begins anew. @param prefix bytes to begin with */
  start(prefix?: Buffer): this {
    this.#length = prefix === undefined ? 0 : prefix.copy(this.#bytes);
    return this;
  }

  field(text: string): this {
    const at = this.#length;
    const needed = at + LENGTH_BYTES + text.length * BYTES_PER_UNIT_MAX;
    if (needed > this.#bytes.length) this.#grow(needed);
    const written = this.#bytes.write(text, at + LENGTH_BYTES);
    this.#bytes.writeUInt32BE(written, at);
    this.#length = at + LENGTH_BYTES + written;
    return this;
  }

  /** A copy of what was written. */
  bytes(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length));
  }

  /** SHA-256 of what was written. `binary` has one character per byte: three times as fast as a buffer of its own for each. */
  sha256(encoding: 'hex' | 'binary'): string {
    return hash('sha256', this.#bytes.subarray(0, this.#length), encoding);
  }

  #grow(needed: number): void {
    const bytes = Buffer.allocUnsafe(needed * 2);
    this.#bytes.copy(bytes, 0, 0, this.#length);
    this.#bytes = bytes;
  }
}
