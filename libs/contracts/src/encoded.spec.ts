import { expect, it } from 'vitest';
import { encoded } from './encoded.ts';
import { Timestamp } from './generated/google/protobuf/timestamp.ts';

const seconds = (value: bigint): Timestamp => ({ seconds: value, nanos: 0 });

it('each message has bytes of its own, whatever is encoded later', () => {
  const first = encoded(Timestamp, seconds(1n));
  const second = encoded(Timestamp, seconds(2n));
  expect(Timestamp.decode(first)).toEqual(seconds(1n));
  expect(Timestamp.decode(second)).toEqual(seconds(2n));
  expect(first.buffer.byteLength).toBe(first.byteLength);
});

it('nothing stays of a message that cannot be encoded', () => {
  const unencodable = { seconds: 3n, nanos: 1.5 };
  expect(() => encoded(Timestamp, unencodable)).toThrow(/1\.5/);
  expect(encoded(Timestamp, seconds(4n))).toEqual(Timestamp.encode(seconds(4n)).finish());
});
