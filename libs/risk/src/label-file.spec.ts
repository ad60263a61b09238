import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { unwrap } from '@finality/kernel';
import { LABEL_COLUMNS, readLabelFile } from './label-file.ts';

/** Published data beside the project; not part of it (shared/data/README.md). */
const OFAC = join(import.meta.dirname, '../../../../shared/data/ofac/sanctioned_addresses_XBT.txt');

const LEGACY = '1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2';
const SEGWIT = 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4';
const REGTEST = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080';
const TRON = 'TUCsTq7TofTCJRRoHk6RvhMoS2mJLm5Yzq';

const ofac = (text: string) => unwrap(readLabelFile({ name: 'ofac', format: 'ofac', text }));
const labels = (...lines: string[]) =>
  readLabelFile({ name: 'own', format: 'labels', text: [LABEL_COLUMNS, ...lines].join('\n') });

describe('a list of OFAC', () => {
  it('blacklists every address that it can check', () => {
    const list = ofac(`${LEGACY}\n${SEGWIT}\n`);
    expect(list.labels.map((label) => [label.address, label.category, label.list])).toEqual([
      [LEGACY, 'blacklist', 'ofac'],
      [SEGWIT, 'blacklist', 'ofac'],
    ]);
    expect(list.quarantined).toEqual([]);
    expect(list.version).toMatch(/^[0-9a-f]{64}$/);
  });

  it('quarantines an address of another chain and one with a wrong checksum, with the line', () => {
    const wrong = `${LEGACY.slice(0, -1)}3`;
    const list = ofac(`# comment\n${TRON}\n\n${LEGACY}\r\n${wrong}\n`);
    expect(list.labels).toHaveLength(1);
    expect(list.quarantined).toMatchObject([
      { line: 2, text: TRON, reason: expect.stringContaining('checksum') as string },
      { line: 5, text: wrong },
    ]);
  });

  it('minds the case of base58 and not that of bech32', () => {
    const list = ofac(`${SEGWIT.toUpperCase()}\n${LEGACY.toLowerCase()}\n`);
    expect(list.labels.map((label) => label.script)).toEqual(['0014751e76e8199196d454941c45d1b3a323f1433bd6']);
    expect(list.quarantined).toHaveLength(1);
  });

  it('finds the same script whatever the network that an address is written for', () => {
    expect(ofac(REGTEST).labels[0]?.script).toBe(ofac(SEGWIT).labels[0]?.script);
  });

  it('is refused when nothing in it is an address', () => {
    expect(readLabelFile({ name: 'ofac', format: 'ofac', text: '<html>\nnot found\n' })).toMatchObject({ ok: false });
  });

  it.skipIf(!existsSync(OFAC))('as published: one TRON address is quarantined, the others are labels', () => {
    const list = ofac(readFileSync(OFAC, 'utf8'));
    expect(list.quarantined.map(({ text }) => text)).toEqual([TRON]);
    expect(list.labels).toHaveLength(434);
  });
});

describe('a file of labels', () => {
  it('has category, source and day', () => {
    expect(unwrap(labels(`${SEGWIT},mixer,"Mix, Inc. ""best""",https://example.org/report,2024-02-29`)).labels).toEqual(
      [
        {
          script: '0014751e76e8199196d454941c45d1b3a323f1433bd6',
          address: SEGWIT,
          category: 'mixer',
          label: 'Mix, Inc. "best"',
          source: 'https://example.org/report',
          listedOn: '2024-02-29',
          list: 'own',
        },
      ],
    );
  });

  it('may say several things about one address', () => {
    const list = unwrap(labels(`${SEGWIT},mixer,M,s,`, `${SEGWIT},blacklist,M,s,`, `${SEGWIT},mixer,again,s,`));
    expect(list.labels.map(({ category, label }) => [category, label])).toEqual([
      ['mixer', 'again'],
      ['blacklist', 'M'],
    ]);
  });

  it.each([
    ['four fields', `${SEGWIT},mixer,M,s`],
    ['no category', `${SEGWIT},,M,s,`],
    ['no source', `${SEGWIT},mixer,M,,`],
    ['no day', `${SEGWIT},mixer,M,s,yesterday`],
    ['open quotes', `${SEGWIT},mixer,"M,s,`],
    ['no address', `nonsense,mixer,M,s,`],
  ])('quarantines a line with %s', (_what, line) => {
    const list = unwrap(labels(`${LEGACY},scam,S,s,`, line));
    expect(list.labels).toHaveLength(1);
    expect(list.quarantined).toMatchObject([{ line: 3 }]);
  });

  it('must begin with the names of its columns', () => {
    expect(readLabelFile({ name: 'own', format: 'labels', text: `${SEGWIT},mixer,M,s,` })).toMatchObject({ ok: false });
  });
});
