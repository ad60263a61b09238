import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { chainHash, GENESIS_HASH, type HashedEvent } from './hash-chain.ts';

const first: HashedEvent = {
  position: 1n,
  stream: 'settlement/0198c0de-0000-7000-8000-000000000001',
  version: 1,
  eventId: '0198c0de-0000-7000-8000-000000000002',
  type: 'settlement_received',
  schemaVersion: 1,
  epoch: 1,
  occurredAt: 1_770_000_000_000,
  recordedAt: 1_770_000_000_001,
  actor: { kind: 'institution', id: 'key-1' },
  institutions: ['bank-a', 'bank-b'],
  causationId: 'request-1',
  correlationId: 'correlation-1',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  payload: '{"amount":{"$bigint":"9007199254740993"},"type":"settlement_received"}',
};
const second: HashedEvent = {
  ...first,
  position: 2n ** 53n + 1n,
  version: 2,
  institutions: [],
  traceparent: undefined,
  payload: '{"name":"Zürich ₿ 🏦"}',
};

describe('the hash chain', () => {
  // Frozen: a change here is another format, and breaks every log there is.
  test('vectors', () => {
    const one = chainHash(GENESIS_HASH, first);
    expect(one.toString('hex')).toBe('102c2547d473187e3ac41ce1a2f61f7baee9833391cd7229c6fd0549df2452b6');
    expect(chainHash(one, second).toString('hex')).toBe(
      'ed210afe9bc4de9322b932a030a9a82d713dda549890fce80900f692d62ecd2e',
    );
  });

  test('is what its description says, byte by byte', () => {
    const fields = [
      'finality.event-chain.v1',
      '1',
      first.stream,
      '1',
      first.eventId,
      first.type,
      '1',
      '1',
      '1770000000000',
      '1770000000001',
      'institution',
      'key-1',
      '2',
      'bank-a',
      'bank-b',
      'request-1',
      'correlation-1',
      first.traceparent!,
      first.payload,
    ];
    const digest = createHash('sha256').update(Buffer.alloc(32));
    for (const field of fields) {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(Buffer.byteLength(field));
      digest.update(length).update(field, 'utf8');
    }
    expect(chainHash(GENESIS_HASH, first)).toEqual(digest.digest());
  });

  test('depends on every field, and on where one ends and the next begins', () => {
    const changes: Partial<HashedEvent>[] = [
      { position: 2n },
      { stream: 'settlement/x' },
      { version: 2 },
      { eventId: '0198c0de-0000-7000-8000-000000000003' },
      { type: 'settlement_receive' },
      { schemaVersion: 2 },
      { epoch: 2 },
      { occurredAt: 1 },
      { recordedAt: 1 },
      { actor: { kind: 'operator', id: 'key-1' } },
      { actor: { kind: 'institution', id: 'key-2' } },
      { institutions: ['bank-a'] },
      { institutions: ['bank-b', 'bank-a'] },
      { institutions: ['bank-abank-b'] },
      {
        institutions: ['bank-a', 'bank-b', 'request-1'],
        causationId: 'correlation-1',
        correlationId: first.traceparent!,
        traceparent: undefined,
      },
      { causationId: 'request-1c', correlationId: 'orrelation-1' },
      { traceparent: undefined },
      { payload: '{}' },
    ];
    const hashes = changes.map((change) => chainHash(GENESIS_HASH, { ...first, ...change }).toString('hex'));
    expect(new Set([...hashes, chainHash(GENESIS_HASH, first).toString('hex')]).size).toBe(changes.length + 1);
    expect(chainHash(Buffer.alloc(32, 1), first)).not.toEqual(chainHash(GENESIS_HASH, first));
  });
});
