import { describe, expect, it } from 'vitest';
import { compare } from './compare.ts';
import type { ChainOutput, ChainView, CoinRecord, Journal, LedgerCut } from './records.ts';

const coin = (outpoint: string, valueSats: bigint, walletId = 'pool'): CoinRecord => {
  return { outpoint, walletId, valueSats, script: `00${outpoint}` };
};
const output = (outpoint: string, valueSats: bigint, more: Partial<ChainOutput> = {}): ChainOutput => {
  return { outpoint, walletId: 'pool', valueSats, script: `00${outpoint}`, spent: false, ...more };
};

/** 2^53 + 1: one more than a float can tell from its neighbour. */
const ODD = 9_007_199_254_740_993n;

/** Two wallets, a settled and a running settlement, and nothing wrong. */
const cut: LedgerCut = {
  position: 42n,
  height: 110,
  blockHash: 'b',
  accounts: [
    { account: 'custody/pool', unit: 'BTC', debits: ODD + 100n, credits: 100n },
    { account: 'custody/w1', unit: 'BTC', debits: 700n, credits: 0n },
    { account: 'clearing/bank-a/available', unit: 'BTC', debits: 0n, credits: ODD },
    { account: 'wallet/w1/incoming', unit: 'BTC', debits: 0n, credits: 300n },
    { account: 'wallet/w1/available', unit: 'BTC', debits: 0n, credits: 400n },
    { account: 'ccp', unit: 'BTC', debits: 900n, credits: 900n },
  ],
  coins: [coin('a:0', ODD), coin('b:1', 400n, 'w1'), coin('c:0', 300n, 'w1')],
  settlements: [
    { settlementId: 's1', status: 'settled', mode: 'blockchain', amountSats: 400n, payeeOutpoint: 'b:1' },
    { settlementId: 's2', status: 'confirming', mode: 'bilateral', amountSats: 300n, payeeOutpoint: 'c:0' },
    { settlementId: 's3', status: 'settled', mode: 'centralized', amountSats: 900n, payeeOutpoint: '' },
  ],
  transactions: [
    { lineageId: 'l1', version: 1, txid: 'b', status: 'final' },
    { lineageId: 'l2', version: 1, txid: 'c', status: 'confirmed' },
  ],
};
const chain: ChainView = {
  height: 110,
  blockHash: 'b',
  outputs: [output('a:0', ODD), output('b:1', 400n, { walletId: 'w1' }), output('c:0', 300n, { walletId: 'w1' })],
};
const journal: Journal = {
  endBeforeCut: 2n,
  entries: [
    { position: 1n, lineageId: 'l1', version: 1, txid: 'b' },
    { position: 2n, lineageId: 'l2', version: 1, txid: 'c' },
  ],
};

const breaksOf = (...parts: Parameters<typeof compare>): readonly string[] =>
  compare(...parts).breaks.map(({ kind, subject, expectedSats, actualSats }) => {
    return `${kind} ${subject} ${expectedSats} ${actualSats}`;
  });

/** The same outputs, but for one. */
const withOutput = (outpoint: string, change: Partial<ChainOutput>): ChainView => {
  return { ...chain, outputs: chain.outputs.map((one) => (one.outpoint === outpoint ? { ...one, ...change } : one)) };
};
const without = (outpoint: string): ChainView => {
  return { ...chain, outputs: chain.outputs.filter((one) => one.outpoint !== outpoint) };
};

describe('when everything agrees', () => {
  it('matches every record once, and lists what is in flight as timing', () => {
    const comparison = compare(cut, chain, journal);
    expect(comparison.breaks).toEqual([]);
    // The sum, the central counterparty, two wallets, three coins, one settlement on the chain, two signatures.
    expect([comparison.checked, comparison.matched]).toEqual([10n, 10n]);
    expect(comparison.timing).toEqual([
      { subject: 's2', amountSats: 300n, description: 'settlement is confirming' },
      { subject: 'wallet/w1/incoming', amountSats: 300n, description: 'balance that isn’t final on the chain yet' },
    ]);
  });

  it('compares nothing with nothing', () => {
    const empty: LedgerCut = { ...cut, accounts: [], coins: [], settlements: [], transactions: [] };
    const nothing = compare(empty, { ...chain, outputs: [] }, { endBeforeCut: 0n, entries: [] });
    expect(nothing).toEqual({ checked: 1n, matched: 1n, breaks: [], timing: [] });
  });
});

describe('amounts', () => {
  it('one satoshi less in a custody account than on the chain, at 2^53', () => {
    const accounts = cut.accounts.map((one) =>
      one.account === 'custody/pool' ? { ...one, credits: 101n } : { ...one },
    );
    const balanced = accounts.map((one) =>
      one.account === 'clearing/bank-a/available' ? { ...one, debits: 0n, credits: ODD - 1n } : one,
    );
    expect(breaksOf({ ...cut, accounts: balanced }, chain, journal)).toEqual([
      `amount custody/pool ${ODD} ${ODD - 1n}`,
    ]);
  });

  it('a coin of another value than its output', () => {
    const breaks = breaksOf(cut, withOutput('a:0', { valueSats: ODD + 1n }), journal);
    expect(breaks).toEqual([`amount custody/pool ${ODD + 1n} ${ODD}`, `amount a:0 ${ODD + 1n} ${ODD}`]);
  });

  it('a settlement paid another amount than it was for', () => {
    const settlements = cut.settlements.map((one) => (one.settlementId === 's1' ? { ...one, amountSats: 401n } : one));
    expect(breaksOf({ ...cut, settlements }, chain, journal)).toEqual(['amount s1 401 400']);
  });
});

describe('missing here, missing there', () => {
  it('an unspent output that the ledger doesn’t hold', () => {
    const outputs = [...chain.outputs, output('e:7', 10n)];
    const breaks = breaksOf(cut, { ...chain, outputs }, journal);
    expect(breaks).toEqual([`amount custody/pool ${ODD + 10n} ${ODD}`, 'missing_in_ledger e:7 10 0']);
  });

  it('an output of a wallet that the ledger has never heard of', () => {
    const outputs = [...chain.outputs, output('e:7', 10n, { walletId: 'w9' })];
    expect(breaksOf(cut, { ...chain, outputs }, journal)).toEqual([
      'amount custody/w9 10 0',
      'missing_in_ledger e:7 10 0',
    ]);
  });

  it('a coin that no block has', () => {
    expect(breaksOf(cut, without('a:0'), journal)).toEqual([
      `amount custody/pool 0 ${ODD}`,
      `missing_on_chain a:0 ${ODD} 0`,
    ]);
  });

  it('a coin that has been spent', () => {
    const breaks = breaksOf(cut, withOutput('a:0', { spent: true }), journal);
    expect(breaks).toEqual([`amount custody/pool 0 ${ODD}`, `missing_on_chain a:0 ${ODD} 0`]);
  });

  it('a coin that is another wallet’s', () => {
    const breaks = breaksOf(cut, withOutput('c:0', { walletId: 'pool' }), journal);
    expect(breaks).toContain('missing_on_chain c:0 300 0');
  });

  it('a settled settlement whose output no block has, though it may have been spent since', () => {
    const coins = cut.coins.filter(({ outpoint }) => outpoint !== 'b:1');
    const accounts = cut.accounts.map((one) => (one.account === 'custody/w1' ? { ...one, debits: 300n } : one));
    const balanced = accounts.map((one) => (one.account === 'wallet/w1/available' ? { ...one, credits: 0n } : one));
    const spentOn = { ...cut, coins, accounts: balanced };
    expect(breaksOf(spentOn, withOutput('b:1', { spent: true }), journal)).toEqual([]);
    expect(breaksOf(spentOn, without('b:1'), journal)).toEqual(['missing_on_chain s1 400 0']);
  });
});

describe('duplicates', () => {
  it('a coin held twice', () => {
    expect(breaksOf({ ...cut, coins: [...cut.coins, coin('a:0', ODD)] }, chain, journal)).toEqual([
      `duplicate a:0 0 ${ODD}`,
    ]);
  });

  it('two settlements paid by one output', () => {
    const again = { ...cut.settlements[0]!, settlementId: 's4' };
    expect(breaksOf({ ...cut, settlements: [...cut.settlements, again] }, chain, journal)).toEqual([
      'duplicate s4 400 0',
    ]);
  });

  it('two signatures for one version', () => {
    const entries = [...journal.entries, { position: 3n, lineageId: 'l1', version: 1, txid: 'x' }];
    expect(breaksOf(cut, chain, { ...journal, entries })).toEqual(['duplicate l1/1 0 0']);
  });
});

describe('the ledger in itself', () => {
  it('debits and credits that differ', () => {
    const accounts = [...cut.accounts, { account: 'fees/network', unit: 'BTC', debits: 1n, credits: 0n }];
    expect(breaksOf({ ...cut, accounts }, chain, journal)).toEqual(['ledger_unbalanced ledger 0 1']);
  });

  it('of each unit for itself: what is too much of one doesn’t make up for what lacks of another', () => {
    const dollars = [
      { account: 'nostro/USD', unit: 'USD', debits: 500n, credits: 0n },
      { account: 'clearing/bank-a/USD/available', unit: 'USD', debits: 0n, credits: 500n },
    ];
    const balanced = [...cut.accounts, ...dollars];
    expect(breaksOf({ ...cut, accounts: balanced }, chain, journal)).toEqual([]);
    const one = { debits: 1n, credits: 0n };
    const crossed = [
      ...balanced,
      { account: 'nostro/USD', unit: 'USD', ...one },
      { account: 'fees/network', unit: 'BTC', debits: 0n, credits: 1n },
    ];
    expect(breaksOf({ ...cut, accounts: crossed }, chain, journal)).toEqual([
      'ledger_unbalanced ledger 0 -1',
      'ledger_unbalanced ledger/USD 0 1',
    ]);
    const left = [
      ...balanced,
      { account: 'ccp/USD', unit: 'USD', debits: 0n, credits: 7n },
      { account: 'nostro/USD', unit: 'USD', debits: 7n, credits: 0n },
    ];
    expect(breaksOf({ ...cut, accounts: left }, chain, journal)).toEqual(['ledger_unbalanced ccp/USD 0 7']);
  });

  it('money left with the central counterparty', () => {
    const accounts = cut.accounts.map((one) => (one.account === 'ccp' ? { ...one, credits: 950n } : one));
    const balanced = [...accounts, { account: 'clearing/bank-b/available', unit: 'BTC', debits: 50n, credits: 0n }];
    expect(breaksOf({ ...cut, accounts: balanced }, chain, journal)).toEqual(['ledger_unbalanced ccp 0 50']);
  });
});

describe('signatures', () => {
  it('one that settlement knows nothing of', () => {
    const entries = [...journal.entries, { position: 2n, lineageId: 'l9', version: 1, txid: 'x' }];
    expect(breaksOf(cut, chain, { ...journal, entries })).toEqual(['unknown_signature l9/1 0 0']);
  });

  it('one of a later moment than the cut is timing', () => {
    const entries = [...journal.entries, { position: 3n, lineageId: 'l9', version: 1, txid: 'x' }];
    const comparison = compare(cut, chain, { ...journal, entries });
    expect(comparison.breaks).toEqual([]);
    expect(comparison.timing).toContainEqual({
      subject: 'l9/1',
      amountSats: 0n,
      description: 'x was accepted after the cut',
    });
  });

  it('another transaction than settlement knows under that version', () => {
    const entries = journal.entries.map((one) => (one.lineageId === 'l2' ? { ...one, txid: 'x', position: 3n } : one));
    expect(breaksOf(cut, chain, { ...journal, entries })).toEqual(['unknown_signature l2/1 0 0']);
  });

  it('one that settlement has and the signer’s journal hasn’t', () => {
    expect(breaksOf(cut, chain, { ...journal, entries: [journal.entries[0]!] })).toEqual([
      'unknown_signature l2/1 0 0',
    ]);
  });

  it('a transaction offered but not signed yet is timing', () => {
    const transactions = [...cut.transactions, { lineageId: 'l3', version: 1, txid: 'y', status: 'offered' }];
    const comparison = compare({ ...cut, transactions }, chain, journal);
    expect(comparison.breaks).toEqual([]);
    expect(comparison.timing.map(({ subject }) => subject)).toContain('l3/1');
  });
});
