import type { BlockHash, Txid } from '@finality/bitcoin';
import { describe, expect, it } from 'vitest';
import { decodeJournal, encodeRecord, JOURNAL_MAGIC, type JournalRecord } from './journal.ts';

const RECORDS: readonly JournalRecord[] = [
  { kind: 'block', raw: Buffer.from('00112233', 'hex') },
  { kind: 'transaction', time: 1_800_000_000, raw: Buffer.from('aa', 'hex') },
  { kind: 'evicted', txid: 'ab'.repeat(32) as Txid },
  { kind: 'invalidated', hash: 'cd'.repeat(32) as BlockHash },
  { kind: 'reconsidered', hash: 'ef'.repeat(32) as BlockHash },
  { kind: 'block', raw: Buffer.alloc(60, 7) },
];
const encoded = RECORDS.map(encodeRecord);
const file = Buffer.concat([JOURNAL_MAGIC, ...encoded]);

describe('a journal', () => {
  it('reads what was written', () => {
    expect(decodeJournal(file)).toEqual({ records: RECORDS, wholeBytes: file.length });
  });
  it('torn off at any byte loses the torn record and nothing else', () => {
    const ends = encoded.reduce<readonly number[]>(
      (sums, each) => [...sums, sums.at(-1)! + each.length],
      [JOURNAL_MAGIC.length],
    );
    for (let length = 0; length <= file.length; length++) {
      const whole = ends.filter((end) => end <= length);
      const expected = { records: RECORDS.slice(0, Math.max(0, whole.length - 1)), wholeBytes: whole.at(-1) ?? 0 };
      expect(decodeJournal(file.subarray(0, length)), `${length} bytes`).toEqual(expected);
    }
  });
  it('whose last record was written in part only drops it', () => {
    const zeroed = Buffer.from(file);
    zeroed.fill(0, file.length - 40);
    expect(decodeJournal(zeroed).records).toEqual(RECORDS.slice(0, 5));
  });
  it('damaged before its end is refused, as is a file of something else', () => {
    const damaged = Buffer.from(file);
    damaged[JOURNAL_MAGIC.length + 10]! ^= 1;
    expect(() => decodeJournal(damaged)).toThrow('damaged');
    expect(() => decodeJournal(Buffer.from('{"some":"other file, long enough to be compared"}'))).toThrow(
      'expected a regtest journal',
    );
  });
});
