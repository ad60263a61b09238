import { describe, expect, it } from 'vitest';
import { interpretBroadcastError } from './index.ts';

const ID = 'c0ffee'.padEnd(64, '0');

/** Codes and texts as the nodes send them (Bitcoin Core 31: node/transaction.cpp, policy/rbf.cpp; btcd 0.26: rpcserver.go, mempool.go). */
const TABLE: readonly (readonly [node: string, code: number, message: string, kind: string])[] = [
  ['Core', -27, 'Transaction outputs already in utxo set', 'already_mined'],
  ['btcd', -27, 'TX rejected: transaction already exists in blockchain', 'already_mined'],
  ['Core', -25, 'bad-txns-inputs-missingorspent', 'missing_inputs'],
  ['Core', -26, 'bad-txns-inputs-missingorspent', 'missing_inputs'],
  [
    'btcd',
    -25,
    `TX rejected: orphan transaction ${ID} references outputs of unknown or fully-spent transaction ${ID}`,
    'missing_inputs',
  ],
  ['Core', -26, 'txn-already-in-mempool', 'already_in_mempool'],
  ['Core', -26, 'txn-same-nonwitness-data-in-mempool', 'already_in_mempool'],
  ['btcd', -26, `TX rejected: already have transaction in mempool ${ID}`, 'already_in_mempool'],
  ['Core', -26, 'txn-mempool-conflict', 'mempool_conflict'],
  [
    'Core',
    -26,
    `insufficient fee, rejecting replacement ${ID}, less fees than conflicting txs; 0.00001 < 0.00002`,
    'mempool_conflict',
  ],
  ['Core', -26, 'replacement-failed, insufficient feerate: does not improve feerate diagram', 'mempool_conflict'],
  ['Core', -26, `replacement-adds-unconfirmed, replacement ${ID} adds unconfirmed input, idx 1`, 'mempool_conflict'],
  [
    'Core',
    -26,
    `too many potential replacements, rejecting replacement ${ID}; too many conflicting clusters (101 > 100)`,
    'mempool_conflict',
  ],
  ['Core', -26, `bad-txns-spends-conflicting-tx, ${ID} spends conflicting transaction ${ID}`, 'mempool_conflict'],
  ['btcd', -26, `TX rejected: output already spent in mempool: output=${ID}:0, tx=${ID}`, 'mempool_conflict'],
  [
    'btcd',
    -26,
    `TX rejected: ${ID}: replacement transaction has an insufficient absolute fee: needs 2000, has 1000`,
    'mempool_conflict',
  ],
  ['Core', -26, 'min relay fee not met, 10 < 100', 'rejected'],
  ['Core', -26, 'mempool-script-verify-flag-failed (Invalid Schnorr signature)', 'rejected'],
  ['Core', -26, 'non-final', 'rejected'],
  ['Core', -25, 'Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)', 'rejected'],
  ['Core', -22, 'TX decode failed. Make sure the tx has at least one input.', 'rejected'],
  ['btcd', -26, 'TX rejected: transaction is not finalized', 'rejected'],
];

describe('an error of sendrawtransaction', () => {
  it.each(TABLE)('of %s, %i "%s", means %s', (_node, code, message, kind) => {
    const answer = interpretBroadcastError(code, message);
    expect(answer.kind).toBe(kind);
    if ('reason' in answer) expect(answer.reason).toBe(message);
  });
});
