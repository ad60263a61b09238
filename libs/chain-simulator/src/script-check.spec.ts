import { readFileSync } from 'node:fs';
import path from 'node:path';
import {
  deriveScript,
  finalisePsbt,
  MasterKey,
  parseDescriptor,
  type ParsedTransaction,
  parseTransaction,
  preparePsbt,
  type ScriptHex,
} from '@finality/bitcoin';
import { signPsbt } from '@finality/bitcoin/spec';
import { sats, unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import type { Coin } from './consensus.ts';
import { RegtestWallet, type WalletCoin } from './regtest-wallet.ts';
import { inputFaults, scriptFault } from './script-check.ts';

interface Bip341 {
  readonly keyPathSpending: readonly {
    readonly given: {
      readonly utxosSpent: readonly { readonly scriptPubKey: ScriptHex; readonly amountSats: number }[];
    };
    readonly inputSpending: readonly { readonly given: { readonly txinIndex: number; readonly hashType: number } }[];
    readonly auxiliary: { readonly fullySignedTx: string };
  }[];
}

const vectors = path.resolve(import.meta.dirname, '../../bitcoin/src/vectors');
const bip341 = (JSON.parse(readFileSync(path.join(vectors, 'bip341.json'), 'utf8')) as Bip341).keyPathSpending[0]!;
const coin = (script: ScriptHex, valueSats: bigint): Coin => ({ script, valueSats, height: 1, coinbase: false });

describe('the vector of BIP341', () => {
  const signed = unwrap(parseTransaction(bip341.auxiliary.fullySignedTx));
  const coins = bip341.given.utxosSpent.map((spent) => coin(spent.scriptPubKey, BigInt(spent.amountSats)));
  const taproot = bip341.inputSpending.map(({ given }) => given.txinIndex);

  it('is rightly signed, with every hash type', () => {
    const faults = [...inputFaults(signed, coins)];
    expect(new Set(bip341.inputSpending.map(({ given }) => given.hashType)).size).toBe(7);
    for (const i of taproot) expect(faults[i], `input ${i}`).toBeUndefined();
    // The others are P2PKH, which can't be spent here, and P2WPKH.
    const rest = faults.filter((_fault, i) => !taproot.includes(i));
    expect(rest).toHaveLength(2);
    expect(rest.filter((fault) => fault === undefined)).toHaveLength(1);
    expect(rest.find((fault) => fault !== undefined)).toContain('p2pkh');
  });
  it('isn’t for other amounts', () => {
    const faults = [
      ...inputFaults(
        signed,
        coins.map((each) => ({ ...each, valueSats: each.valueSats + 1n })),
      ),
    ];
    for (const i of taproot) expect(faults[i], `input ${i}`).toBe('Invalid Schnorr signature');
  });
});

describe.each(['wpkh', 'tr'] as const)('an input of type %s', (type) => {
  const wallet = new RegtestWallet('script check', type);
  const other = new RegtestWallet('somebody else', type);
  const spend = (count: number): readonly [ParsedTransaction, readonly Coin[]] => {
    const coins = Array.from({ length: count }, (_each, vout): WalletCoin => {
      return {
        txid: 'cd'.repeat(32) as WalletCoin['txid'],
        vout,
        valueSats: 1_000n + BigInt(vout),
        height: 1,
        coinbase: false,
      };
    });
    return [
      wallet.pay([{ script: other.script, valueSats: 900n }], { feeSats: 100n, coins }),
      coins.map((each) => coin(wallet.script, each.valueSats)),
    ];
  };

  it.each([1, 2, 120])('among %i passes when it is rightly signed', (count) => {
    expect(scriptFault(...spend(count))).toBeUndefined();
  });
  it.each([1, 120])('among %i is refused for another amount or another owner', (count) => {
    const [transaction, coins] = spend(count);
    const last = coins.at(-1)!;
    expect(scriptFault(transaction, [...coins.slice(0, -1), { ...last, valueSats: last.valueSats + 1n }])).toBeTypeOf(
      'string',
    );
    expect(scriptFault(transaction, [...coins.slice(0, -1), { ...last, script: other.script }])).toBeTypeOf('string');
  });
  it('is refused with any bit of its witness turned over, or without one', () => {
    expectBitsToCount(...spend(1), 7);
  });
});

describe.each(['wsh(sortedmulti(2,%))', 'sh(wsh(sortedmulti(2,%)))', 'sh(wpkh(%))'])('an input of %s', (text) => {
  const count = text.includes('multi') ? 3 : 1;
  const accounts = Array.from({ length: count }, (_each, i) => {
    return new MasterKey(new Uint8Array(32).fill(i + 1), 'regtest').account('wpkh', 0);
  });
  const keys = accounts.map(({ xpub }) => `${xpub}/<0;1>/*`).join(',');
  const descriptor = unwrap(parseDescriptor(text.replace('%', keys), 'regtest'));
  const { script } = deriveScript(descriptor, 0, 4);
  const valueSats = sats(5_000n);
  const outpoint = { txid: 'ab'.repeat(32) as WalletCoin['txid'], vout: 1 };
  const input = { outpoint, valueSats, script, place: { descriptor, branch: 0, index: 4 } } as const;
  const plan = { inputs: [input], outputs: [{ script, valueSats: sats(4_000n) }], locktime: 0 };
  const { base64 } = unwrap(preparePsbt(plan));
  const signedBy = (...signers: readonly number[]): ParsedTransaction =>
    unwrap(
      finalisePsbt(
        plan,
        signers.map((i) => signPsbt(base64, (branch, index) => accounts[i]!.signingKey(branch, index))),
      ),
    );
  const coins = [coin(script, valueSats)];

  it('passes when it is rightly signed, by whoever has to', () => {
    if (count === 1) expect(scriptFault(signedBy(0), coins)).toBeUndefined();
    else
      for (const two of [
        [0, 1],
        [1, 2],
        [2, 0],
      ])
        expect(scriptFault(signedBy(...two), coins)).toBeUndefined();
  });
  it('is refused for another amount or another owner, and with any bit of its witness turned over', () => {
    const signed = count === 1 ? signedBy(0) : signedBy(1, 2);
    expect(scriptFault(signed, [coin(script, valueSats + 1n)])).toBeTypeOf('string');
    expect(scriptFault(signed, [coin(deriveScript(descriptor, 0, 5).script, valueSats)])).toBeTypeOf('string');
    expectBitsToCount(signed, coins, 31);
  });
});

/** One in so many. */
function expectBitsToCount(transaction: ParsedTransaction, coins: readonly Coin[], step: number): void {
  const start = Buffer.from(transaction.raw).indexOf(transaction.inputs[0]!.witness.find(({ length }) => length > 0)!);
  const bytes = transaction.raw.length - 4 - start;
  for (let bit = 0; bit < 8 * bytes; bit += step) {
    const raw = Uint8Array.from(transaction.raw);
    raw[start + (bit >> 3)]! ^= 1 << (bit & 7);
    const parsed = parseTransaction(raw);
    if (parsed.ok) expect(scriptFault(parsed.value, coins), `bit ${bit}`).toBeTypeOf('string');
  }
}
