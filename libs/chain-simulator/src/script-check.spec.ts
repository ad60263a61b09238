import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type ParsedTransaction, parseTransaction, type ScriptHex } from '@finality/bitcoin';
import { unwrap } from '@finality/kernel';
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
    const [transaction, coins] = spend(1);
    const start = Buffer.from(transaction.raw).indexOf(transaction.inputs[0]!.witness[0]!);
    const bytes = transaction.raw.length - 4 - start;
    for (let bit = 0; bit < 8 * bytes; bit += 7) {
      const raw = Uint8Array.from(transaction.raw);
      raw[start + (bit >> 3)]! ^= 1 << (bit & 7);
      const parsed = parseTransaction(raw);
      if (parsed.ok) expect(scriptFault(parsed.value, coins), `bit ${bit}`).toBeTypeOf('string');
    }
  });
});
