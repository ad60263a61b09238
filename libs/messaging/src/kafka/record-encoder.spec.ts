import fc from 'fast-check';
import { Partitioners } from 'kafkajs';
import { expect, test } from 'vitest';
import { partitionOf } from './partitioner.ts';
import { isPatched, kafkajsEncoder } from './record-encoder.patch.ts';
import { encodeRecord, type PlainRecord } from './record-encoder.ts';

const kafkajs = kafkajsEncoder as (record: PlainRecord) => { readonly buffer: Buffer };

const buffer = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const text = fc.oneof(fc.string({ maxLength: 200 }), fc.string({ unit: 'grapheme', maxLength: 200 }));
const bytes = fc.oneof(buffer, text);

test('the patch is in place', () => {
  expect(isPatched).toBe(true);
});

test('a record is the same bytes as kafkajs’ own', () => {
  const record = fc.record(
    {
      offsetDelta: fc.nat(),
      timestampDelta: fc.oneof(fc.integer(), fc.constantFrom(0, -1, 2 ** 40)),
      key: fc.option(bytes),
      value: fc.option(bytes),
      headers: fc.dictionary(text, fc.oneof(bytes, fc.array(bytes, { maxLength: 3 }))),
    },
    { requiredKeys: ['value'] },
  );
  fc.assert(
    fc.property(record, (each) => {
      expect(encodeRecord(each).buffer).toEqual(kafkajs(each).buffer);
    }),
    { numRuns: 1_000 },
  );
});

test('one that is bigger than any before is, too', () => {
  const record = { key: 'k', value: Buffer.alloc(200_000, 7), headers: { ключ: 'ü'.repeat(50_000) } };
  expect(encodeRecord(record).buffer.equals(kafkajs(record).buffer)).toBe(true);
});

test('a key has the partition that Kafka’s clients give it', () => {
  const choose = Partitioners.DefaultPartitioner();
  const partitionMetadata = Array.from({ length: 24 }, (_, partitionId) => ({ partitionId, leader: 1 }));
  fc.assert(
    fc.property(text.filter(Boolean), (key) => {
      const message = { key, value: null };
      const known = { topic: 'any', partitionMetadata: partitionMetadata as never, message };
      expect(partitionOf(key, partitionMetadata.length)).toBe(choose(known));
    }),
    { numRuns: 1_000 },
  );
});
