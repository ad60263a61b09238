/** Thrown by {@link Reader} and caught by the parsers of this library alone, which return it as a fault. */
export class Malformed extends Error {}

/** Reads Bitcoin's wire format from bytes. Refuses to read past the end and numbers that aren't in their shortest form. */
export class Reader {
  readonly bytes: Uint8Array;
  offset: number;
  private readonly view: DataView;

  constructor(bytes: Uint8Array, offset = 0) {
    this.bytes = bytes;
    this.offset = offset;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.bytes.length - this.offset;
  }

  u8(): number {
    return this.view.getUint8(this.advance(1));
  }

  u16(): number {
    return this.view.getUint16(this.advance(2), true);
  }

  u32(): number {
    return this.view.getUint32(this.advance(4), true);
  }

  u64(): bigint {
    return this.view.getBigUint64(this.advance(8), true);
  }

  /** A view, not a copy. */
  slice(length: number): Uint8Array {
    const start = this.advance(length);
    return this.bytes.subarray(start, start + length);
  }

  /** Bytes with their length before them. */
  varBytes(): Uint8Array {
    return this.slice(this.compactSize());
  }

  /** A count or length. One that needs 64 bits can't fit into any block, so it is malformed rather than large. */
  compactSize(): number {
    const first = this.u8();
    if (first < 0xfd) return first;
    if (first === 0xff) throw new Malformed('expected a length below 2^32');
    const value = first === 0xfd ? this.u16() : this.u32();
    if (value < (first === 0xfd ? 0xfd : 0x1_0000)) throw new Malformed('expected a length in its shortest form');
    return value;
  }

  private advance(length: number): number {
    const start = this.offset;
    if (length > this.remaining)
      throw new Malformed(`expected ${length} more bytes at offset ${start}, got ${this.remaining}`);
    this.offset = start + length;
    return start;
  }
}

/** Bytes that {@link Reader.compactSize} takes for `value`. */
export function compactSizeLength(value: number): number {
  if (value < 0xfd) return 1;
  return value <= 0xffff ? 3 : 5;
}

/** A count or length as {@link Reader.compactSize} reads it. */
export function compactSize(value: number): Uint8Array {
  const bytes = Buffer.alloc(compactSizeLength(value));
  if (bytes.length === 1) bytes.writeUInt8(value);
  else {
    bytes.writeUInt8(bytes.length === 3 ? 0xfd : 0xfe);
    if (bytes.length === 3) bytes.writeUInt16LE(value, 1);
    else bytes.writeUInt32LE(value, 1);
  }
  return bytes;
}
