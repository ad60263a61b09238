import { assert } from '@finality/kernel';

/**
 * Arrays as Postgres takes them in binary (`array_send` in its source: dimensions, whether there are nulls, element type, length and lower bound, then
 * each element after its length), for parameters of `unnest`. A batch has a dozen columns of a thousand values: as text, quoting them here and
 * reading them there would cost more than storing them.
 *
 * A column of nothing but nulls is an empty array: `unnest` of several fills the shorter ones up with nulls.
 */
const HEADER_BYTES = 20;
const LENGTH_BYTES = 4;
const NULL_LENGTH = -1;
const BYTES_PER_UNIT_MAX = 3;

/** Of pg_type; they never change. */
const OID = { bytea: 17, int8: 20, int4: 23, text: 25 } as const;

/** `text[]` */
export function textArray(values: readonly (string | undefined)[]): Buffer {
  if (values.every((value) => value === undefined)) return emptyArray(OID.text);
  let capacity = HEADER_BYTES;
  for (const value of values) capacity += LENGTH_BYTES + (value?.length ?? 0) * BYTES_PER_UNIT_MAX;
  const bytes = Buffer.allocUnsafe(capacity);
  writeHeader(bytes, OID.text, values.length);
  let at = HEADER_BYTES;
  for (const value of values) {
    const length = value === undefined ? NULL_LENGTH : bytes.write(value, at + LENGTH_BYTES);
    bytes.writeInt32BE(length, at);
    at += LENGTH_BYTES + Math.max(0, length);
  }
  return bytes.subarray(0, at);
}

/** `bytea[]` of values that all have the same number of bytes. @param values hex */
export function hexArray(values: readonly (string | undefined)[], valueBytes: number): Buffer {
  if (values.every((value) => value === undefined)) return emptyArray(OID.bytea);
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + values.length * (LENGTH_BYTES + valueBytes));
  writeHeader(bytes, OID.bytea, values.length);
  let at = HEADER_BYTES;
  for (const value of values) {
    bytes.writeInt32BE(value === undefined ? NULL_LENGTH : valueBytes, at);
    at += LENGTH_BYTES;
    if (value === undefined) continue;
    const written = bytes.write(value, at, 'hex');
    assert(written === valueBytes, `"${value}" isn't ${valueBytes} bytes in hex`);
    at += valueBytes;
  }
  return bytes.subarray(0, at);
}

/** `bytea[]` */
export function bytesArray(values: readonly Uint8Array[]): Buffer {
  if (values.length === 0) return emptyArray(OID.bytea);
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + values.reduce((sum, value) => sum + LENGTH_BYTES + value.length, 0));
  writeHeader(bytes, OID.bytea, values.length);
  let at = HEADER_BYTES;
  for (const value of values) {
    at = bytes.writeInt32BE(value.length, at);
    bytes.set(value, at);
    at += value.length;
  }
  return bytes;
}

/** `bytea[]` of values that follow one another in one buffer. */
export function slicesArray(values: Buffer, valueBytes: number): Buffer {
  const count = values.length / valueBytes;
  assert(Number.isInteger(count), `${values.length} bytes aren't slices of ${valueBytes}`);
  if (count === 0) return emptyArray(OID.bytea);
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + count * (LENGTH_BYTES + valueBytes));
  writeHeader(bytes, OID.bytea, count);
  for (let i = 0, at = HEADER_BYTES; i < count; i++, at += LENGTH_BYTES + valueBytes) {
    bytes.writeInt32BE(valueBytes, at);
    values.copy(bytes, at + LENGTH_BYTES, i * valueBytes, (i + 1) * valueBytes);
  }
  return bytes;
}

/** `bigint[]` */
export function bigintArray(values: readonly (bigint | number)[]): Buffer {
  if (values.length === 0) return emptyArray(OID.int8);
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + values.length * (LENGTH_BYTES + 8));
  writeHeader(bytes, OID.int8, values.length);
  let at = HEADER_BYTES;
  for (const value of values) {
    bytes.writeInt32BE(8, at);
    at = bytes.writeBigInt64BE(BigInt(value), at + LENGTH_BYTES);
  }
  return bytes;
}

/** `integer[]` */
export function integerArray(values: readonly number[]): Buffer {
  if (values.length === 0) return emptyArray(OID.int4);
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + values.length * (LENGTH_BYTES + 4));
  writeHeader(bytes, OID.int4, values.length);
  let at = HEADER_BYTES;
  for (const value of values) {
    bytes.writeInt32BE(4, at);
    at = bytes.writeInt32BE(value, at + LENGTH_BYTES);
  }
  return bytes;
}

/** It has no dimension. */
function emptyArray(elementType: number): Buffer {
  const bytes = Buffer.alloc(3 * 4);
  bytes.writeInt32BE(elementType, 8);
  return bytes;
}

function writeHeader(bytes: Buffer, elementType: number, count: number): void {
  assert(count > 0, 'an array of nothing has no dimension');
  let at = bytes.writeInt32BE(1, 0);
  // Whether there are nulls is for readers that save work without them: Postgres looks at the lengths.
  at = bytes.writeInt32BE(1, at);
  at = bytes.writeInt32BE(elementType, at);
  at = bytes.writeInt32BE(count, at);
  bytes.writeInt32BE(1, at);
}
