import { type MessageRow, publishedMessageOf } from '@finality/event-store';
import { Partitioners } from 'kafkajs';
import { describe, expect, test } from 'vitest';
import { messageOf, recordBytes, recordOf } from './record.ts';

const TOPIC = 'finality.test.account.v1';
const ROW: MessageRow = {
  position: 7n,
  ordinal: 2,
  topic: TOPIC,
  ordering_key: 'ключ',
  sequence: 9007199254740993n,
  headers: JSON.stringify({
    ce_specversion: '1.0',
    ce_id: 'id-2',
    ce_source: '/finality/settlement',
    ce_type: 'finality.test.v1.AccountChanged',
    ce_position: '7',
    ce_epoch: '1',
    ce_schemaversion: '3',
    ce_institutions: '',
    'content-type': 'application/protobuf',
    ce_sequence: '9007199254740993',
  }),
  payload: Buffer.from([0, 1, 255]),
};

/** The record as a broker gives it back: everything is bytes. */
function delivered(row: MessageRow, changed: Readonly<Record<string, Buffer | undefined>> = {}) {
  const { key, value, headers } = recordOf(row);
  const bytes = Object.entries(headers).map(([name, text]): [string, Buffer | undefined] => [name, Buffer.from(text)]);
  return {
    key: Buffer.from(key as string),
    value: value as Buffer,
    headers: Object.fromEntries([...bytes, ...Object.entries(changed)]),
  };
}

test('what is sent comes back as the row has it', () => {
  const message = messageOf(TOPIC, delivered(ROW));
  expect(message).toStrictEqual(publishedMessageOf(ROW));
  expect(message).toMatchObject({ ordinal: 2, sequence: 9007199254740993n, schemaVersion: 3 });
});

test('the ordinal travels as a header; the rest as stored', () => {
  const { headers } = recordOf(ROW);
  expect(headers).toEqual({ ...(JSON.parse(ROW.headers) as object), ce_ordinal: '2' });
});

test('an estimate of a record is never too small', () => {
  for (const row of [ROW, { ...ROW, payload: Buffer.alloc(10_000), ordering_key: '漢'.repeat(50) }]) {
    const { key, value, headers } = recordOf(row);
    const lengths = Object.entries(headers)
      .flat()
      .map((text) => Buffer.byteLength(text) + 2);
    const bytes = lengths.reduce(
      (sum, length) => sum + length,
      Buffer.byteLength(key as string) + (value as Buffer).length + 20,
    );
    expect(recordBytes(row)).toBeGreaterThanOrEqual(bytes);
  }
});

describe('what can’t be a message of ours is told by its first fault', () => {
  const text = (value: string): Buffer => Buffer.from(value);
  test.each([
    ['headers', { ce_subject: Buffer.of(0xff) }],
    ['headers', { ce_subject: undefined }],
    ['source', { ce_source: text('https://elsewhere.example') }],
    ['id', { ce_id: text('') }],
    ['sequence', { ce_sequence: text('0') }],
    ['sequence', { ce_sequence: text('-1') }],
    ['sequence', { ce_sequence: text('01') }],
    ['sequence', { ce_sequence: text('1.5') }],
    ['sequence', { ce_sequence: text('9223372036854775808') }],
    ['position', { ce_position: text('seven') }],
    ['position', { ce_ordinal: text('') }],
    ['schema version', { ce_schemaversion: text('NaN') }],
  ] as const)('%s', (reason, changed) => {
    expect(messageOf(TOPIC, delivered(ROW, changed))).toBe(reason);
  });

  test('key and payload', () => {
    const record = delivered(ROW);
    expect(messageOf(TOPIC, { ...record, key: null })).toBe('key');
    expect(messageOf(TOPIC, { ...record, key: Buffer.of(0xff) })).toBe('key');
    expect(messageOf(TOPIC, { ...record, value: null })).toBe('payload');
    expect(messageOf(TOPIC, { ...record, headers: {} })).toBe('source');
  });

  test('the greatest sequence is one', () => {
    const greatest = '9223372036854775807';
    expect(messageOf(TOPIC, delivered(ROW, { ce_sequence: text(greatest) }))).toMatchObject({
      sequence: BigInt(greatest),
    });
  });
});

// Kafka's own vectors (UtilsTest.testMurmur2): every client of the default kind puts a key on the same partition.
test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])('%s is put where Java puts it', (key, hash) => {
  const choose = Partitioners.DefaultPartitioner();
  const partitionMetadata = Array.from({ length: 24 }, (_, partitionId) => ({
    partitionErrorCode: 0,
    partitionId,
    leader: 1,
    replicas: [1],
    isr: [1],
  }));
  const partition = choose({ topic: TOPIC, partitionMetadata, message: { key, value: null } });
  expect(partition).toBe((hash & 0x7fffffff) % 24);
});
