import { ledgerV1 } from '@finality/contracts';
import { describe, expect, it } from 'vitest';
import { closingCsv, entriesCsv, openingCsv } from './statement-csv.ts';

const entry = (change: Partial<ledgerV1.StatementEntry>): ledgerV1.StatementEntry =>
  ledgerV1.StatementEntry.fromPartial({ number: 7n, recordedAt: { seconds: 1n, nanos: 5_000_000 }, ...change });
const referenceOf = (referenceId: string): string => entriesCsv([entry({ referenceId })], 'USD').slice(0, -2);

describe('a statement as CSV', () => {
  it('has a header, an opening line and a closing line, as many fields in each, and ends them with CRLF', () => {
    const summary = ledgerV1.StatementSummary.fromPartial({ throughEntry: 9n, closingBalance: -3n, unit: 'USD' });
    const lines = `${openingCsv(summary)}${entriesCsv([entry({})], 'USD')}${closingCsv(summary)}`.split('\r\n');
    expect(lines.pop()).toBe('');
    expect(lines.map((line) => line.split(',').length)).toEqual([17, 17, 17, 17]);
    expect(lines.at(-1)).toBe('closing,9,,,,,,,,,0,0,,-3,0,0,USD');
    expect(lines[2]).toBe('entry,7,1970-01-01T00:00:01.005Z,,,,,,,,0,0,0,0,0,0,USD');
  });

  it.each([
    ['plain', 'plain'],
    ['a,b', '"a,b"'],
    ['say "hi"', '"say ""hi"""'],
    ['two\nlines', '"two\nlines"'],
    ['=1+1', "'=1+1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['-5', "'-5"],
    ['+1,2', `"'+1,2"`],
  ])('writes the reference %j as %j', (reference, written) => {
    expect(referenceOf(reference)).toBe(`entry,7,1970-01-01T00:00:01.005Z,,,,,,${written},,0,0,0,0,0,0,USD`);
  });
});
