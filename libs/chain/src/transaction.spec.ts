import type { ScriptHex, Txid } from '@finality/bitcoin';
import type { Sats } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { type ObservedTransaction, rawFor, type WatchedOutput } from './transaction.ts';

const P2WPKH = `0014${'11'.repeat(20)}` as ScriptHex;
const P2TR = `5120${'11'.repeat(32)}` as ScriptHex;
const P2SH = `a914${'11'.repeat(20)}87` as ScriptHex;

const observed = (raw?: Uint8Array): ObservedTransaction => ({
  txid: 'aa'.repeat(32) as Txid,
  coinbase: false,
  spends: [],
  outputs: [],
  ...(raw && { raw }),
});
const paying = (script: ScriptHex, custodial: boolean): WatchedOutput => {
  return { vout: 0, valueSats: 1_000n as Sats, script, walletId: 'w', branch: 0, index: 0, custodial };
};

describe('a transaction as a whole', () => {
  it.each([
    ['is kept of a native segwit output of an owner', P2WPKH, false, { raw: '0102' }],
    ['is kept of a nested one', P2SH, false, { raw: '0102' }],
    ['isn’t of P2TR, whose signatures say it all', P2TR, false, {}],
    ['isn’t of wallets that the platform signs for', P2WPKH, true, {}],
  ])('%s', (_what, script, custodial, kept) => {
    expect(rawFor(observed(Uint8Array.of(1, 2)), [paying(script, custodial)])).toEqual(kept);
  });

  it('isn’t kept where it is in no block, or larger than any but the oddest', () => {
    expect(rawFor(observed(), [paying(P2WPKH, false)])).toEqual({});
    expect(rawFor(observed(new Uint8Array(100_000)), [paying(P2WPKH, false)]).raw).toHaveLength(200_000);
    expect(rawFor(observed(new Uint8Array(100_001)), [paying(P2WPKH, false)])).toEqual({});
  });
});
