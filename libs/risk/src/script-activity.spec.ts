import { describe, expect, it } from 'vitest';
import type { Instant } from '@finality/kernel';
import {
  observeTransaction,
  RECENT_TRANSACTIONS_MAX,
  scriptActivity,
  type ScriptActivity,
  scriptKey,
  transactionsWithin,
} from './script-activity.ts';

const SCRIPT = `0014${'00'.repeat(20)}`;
const DAY_MS = 86_400_000;
const at = (ms: number): Instant => ms as Instant;

function after(...seen: readonly [string, number][]): ScriptActivity {
  return seen.reduce<ScriptActivity>(
    (state, [txid, ms]) =>
      observeTransaction(state, { script: SCRIPT, txid, at: at(ms) }).reduce(scriptActivity.evolve, state),
    scriptActivity.initialState,
  );
}

describe('the activity of a script', () => {
  it('begins with its first transaction, whichever order facts come in', () => {
    expect(after(['b', 500], ['a', 100]).firstSeenAt).toBe(100);
  });

  it('counts a transaction once: in the mempool, in a block, and in a block again', () => {
    expect(after(['a', 100], ['a', 200], ['a', 300]).recent).toEqual([{ txid: 'a', at: 100 }]);
  });

  it('counts what is less than a day old', () => {
    const state = after(['a', 0], ['b', 1], ['c', DAY_MS]);
    expect(transactionsWithin(state, DAY_MS, at(DAY_MS - 1))).toBe(3);
    expect(transactionsWithin(state, DAY_MS, at(DAY_MS))).toBe(2);
    expect(transactionsWithin(state, DAY_MS, at(DAY_MS + 1))).toBe(1);
  });

  it('remembers as many transactions as the rule asks for, and no more', () => {
    const state = after(...Array.from({ length: 250 }, (_, i): [string, number] => [`tx${i}`, i]));
    expect(state.recent).toHaveLength(RECENT_TRANSACTIONS_MAX);
    expect(state.recent.at(-1)).toEqual({ txid: 'tx249', at: 249 });
    expect(state.firstSeenAt).toBe(0);
  });

  it('goes by the hash of the script', () => {
    // SHA-256 of 22 bytes: computed with Python's hashlib.
    expect(scriptKey(SCRIPT)).toBe('5c210f7cc5455eec4b9438c47c365fc4afdb29fa1da4561440dc8d34e39ce273');
  });
});
