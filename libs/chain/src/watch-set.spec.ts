import type { OutpointKey, ScriptHex, Txid } from '@finality/bitcoin';
import type { Sats } from '@finality/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FingerprintSet } from './fingerprints.ts';
import type { ObservedTransaction } from './transaction.ts';
import { WatchSet } from './watch-set.ts';

const hex = fc
  .array(fc.constantFrom(...'0123456789abcdef'), { minLength: 0, maxLength: 70 })
  .map((chars) => chars.join(''));

describe('a set of fingerprints', () => {
  it('has what was added, and nothing else, as a set of the texts does', () => {
    const property = fc.property(fc.array(hex), fc.array(hex), fc.nat(), fc.nat(), (added, others, a, b) => {
      const set = new FingerprintSet([a, b]);
      for (const text of added) set.add(text);
      const exact = new Set(added);
      expect(set.size).toBe(exact.size);
      for (const text of [...added, ...others]) expect(set.has(text)).toBe(exact.has(text));
    });
    fc.assert(property, { numRuns: 200 });
  });

  it('keeps a hundred thousand that differ in a digit apart, in about as many bytes as it says', () => {
    const set = new FingerprintSet([1, 2]);
    const script = (i: number): string => `0014${i.toString(16).padStart(40, '0')}`;
    for (let i = 0; i < 100_000; i++) set.add(script(i));
    expect(set.size).toBe(100_000);
    let found = 0;
    for (let i = 0; i < 200_000; i++) if (set.has(script(i))) found += 1;
    expect(found).toBe(100_000);
    expect(set.bytes).toBeLessThan(22 * 100_000);
  });

  it('is another for another key', () => {
    const sizes = [1, 2, 3].map((key) => {
      const set = new FingerprintSet([key, key]);
      for (let i = 0; i < 1_000; i++) set.add(`${i}`);
      return set.size;
    });
    expect(sizes).toEqual([1_000, 1_000, 1_000]);
  });
});

describe('what may concern us', () => {
  const OURS = 'aa' as ScriptHex;
  const tx = (txid: string, spends: readonly string[], scripts: readonly string[]): ObservedTransaction => ({
    txid: txid as Txid,
    coinbase: false,
    spends: spends as readonly OutpointKey[],
    outputs: scripts.map((script, vout) => ({ vout, valueSats: 1n as Sats, script: script as ScriptHex })),
  });

  it('pays us, spends what is ours, or what the same list pays us', () => {
    const set = new WatchSet([5, 6]);
    set.watchScript(OURS);
    set.watchOutpoint('known:1');
    const list = [
      tx('foreign', ['x:0'], ['bb']),
      tx('deposit', ['x:1'], ['bb', OURS]),
      tx('other output of it', ['deposit:0'], ['bb']),
      tx('sweep', ['y:0', 'deposit:1'], ['bb']),
      tx('spender', ['known:1'], ['bb']),
      tx('neighbour', ['known:10'], ['bb']),
    ];
    expect(set.matching(list).map(({ txid }) => txid)).toEqual(['deposit', 'sweep', 'spender']);
  });
});
