type Bytes = Buffer | string;

/** What kafkajs makes a record of. */
export interface PlainRecord {
  /** In its batch. */
  readonly offsetDelta?: number;
  /** Milliseconds after the first of its batch. */
  readonly timestampDelta?: number;
  readonly key?: Bytes | null;
  readonly value: Bytes | null;
  readonly headers?: Readonly<Record<string, Bytes | readonly Bytes[]>>;
}

/** As kafkajs' own `Encoder`, as far as a batch needs it. */
export interface EncodedRecord {
  readonly buf: Buffer;
  readonly buffer: Buffer;
}

/** A UTF-16 unit takes three bytes of UTF-8 at most. */
const UNIT_BYTES_MAX = 3;
/** 64 bits, 7 in each. */
const VARINT_BYTES_MAX = 10;
const ATTRIBUTES_NONE = 0;
const SCRATCH_BYTES = 64 * 1024;

/**
 * A record of message format 2 (https://kafka.apache.org/documentation/#record), the same bytes that kafkajs 2.2.4 gives it. That has an encoder with half
 * a kilobyte of its own for each header, which takes more than everything else about sending a message of ours.
 */
export function encodeRecord(record: PlainRecord): EncodedRecord {
  const { offsetDelta = 0, timestampDelta = 0, key, value, headers = {} } = record;
  const fields = fieldsOf(headers);
  writer.reset(bytesMax(key) + bytesMax(value) + fields.reduce((sum, field) => sum + bytesMax(field), 0));
  writer.byte(ATTRIBUTES_NONE);
  writer.varint(timestampDelta);
  writer.varint(offsetDelta);
  writer.bytes(key);
  writer.bytes(value);
  writer.varint(fields.length / 2);
  for (const field of fields) writer.bytes(field);
  const buf = writer.withLength();
  return { buf, buffer: buf };
}

/** Name and value of each header in turn. */
function fieldsOf(headers: NonNullable<PlainRecord['headers']>): Bytes[] {
  const fields: Bytes[] = [];
  for (const name of Object.keys(headers)) {
    const value = headers[name]!;
    if (typeof value === 'string' || Buffer.isBuffer(value)) fields.push(name, value);
    else for (const each of value) fields.push(name, each);
  }
  return fields;
}

function bytesMax(value: Bytes | null | undefined): number {
  if (value === null || value === undefined) return VARINT_BYTES_MAX;
  return VARINT_BYTES_MAX + (typeof value === 'string' ? UNIT_BYTES_MAX * value.length : value.length);
}

/** Writes one record at a time, into memory that is used again for the next. */
class RecordWriter {
  #buf = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #end = 0;

  /** @param fieldBytesMax what keys, values and headers may take */
  reset(fieldBytesMax: number): void {
    const bytes = fieldBytesMax + 4 * VARINT_BYTES_MAX;
    if (bytes > this.#buf.length) this.#buf = Buffer.allocUnsafeSlow(bytes);
    this.#end = 0;
  }

  byte(value: number): void {
    this.#buf[this.#end++] = value;
  }

  varint(value: number): void {
    this.#end = putVarint(this.#buf, value, this.#end);
  }

  /** Length, then content; a length of -1 for none. */
  bytes(value: Bytes | null | undefined): void {
    if (value === null || value === undefined) this.varint(-1);
    else if (typeof value === 'string') this.#text(value);
    else {
      this.varint(value.length);
      value.copy(this.#buf, this.#end);
      this.#end += value.length;
    }
  }

  /** The record with its length before it, in memory of its own. */
  withLength(): Buffer {
    const record = Buffer.allocUnsafe(varintBytes(this.#end) + this.#end);
    this.#buf.copy(record, putVarint(record, this.#end, 0), 0, this.#end);
    return record;
  }

  /** Nearly all is ASCII: as many bytes as units. */
  #text(value: string): void {
    const begin = this.#end;
    this.varint(value.length);
    const written = this.#buf.write(value, this.#end);
    if (written === value.length) {
      this.#end += written;
      return;
    }
    this.#end = putVarint(this.#buf, written, begin);
    this.#end += this.#buf.write(value, this.#end);
  }
}

const writer = new RecordWriter();

/** Zigzag, then seven bits at a time, the lowest first (Protocol Buffers' `sint64`). @returns where it ends */
function putVarint(buf: Buffer, value: number, at: number): number {
  let rest = value < 0 ? -2 * value - 1 : 2 * value;
  let end = at;
  while (rest > 0x7f) {
    // Bit operations would cut it to 32 bits.
    buf[end++] = (rest % 0x80) + 0x80;
    rest = Math.floor(rest / 0x80);
  }
  buf[end++] = rest;
  return end;
}

function varintBytes(length: number): number {
  let bytes = 1;
  for (let rest = 2 * length; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes += 1;
  return bytes;
}
