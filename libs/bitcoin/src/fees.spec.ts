import { type Sats, unwrap } from '@finality/kernel';
import { payments, script as bitcoinScript, Transaction } from 'bitcoinjs-lib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scriptTypeOf } from './address.ts';
import { ecc } from './ecc.ts';
import {
  feeFor,
  feeRate,
  feeRateOf,
  formatFeeRate,
  inputWeight,
  outputWeight,
  parseFeeRate,
  PLACEHOLDER_SCRIPT,
  type SpendKind,
  transactionWeight,
  vsizeOf,
} from './fees.ts';
import { sha256 } from './hashing.ts';
import { bytesFromHex, hexFromBytes } from './hex.ts';
import type { ScriptHex } from './ids.ts';

const P2PKH = `76a914${'00'.repeat(20)}88ac` as ScriptHex;
const P2WPKH = `0014${'00'.repeat(20)}` as ScriptHex;
const P2TR = `5120${'00'.repeat(32)}` as ScriptHex;

describe('feerates', () => {
  it.each([
    ['1', 1_000n],
    ['0.1', 100n],
    ['12.345', 12_345n],
    ['10000', 10_000_000n],
    ['0', 0n],
  ])('%s sat/vB', (text, expected) => {
    expect(unwrap(parseFeeRate(text))).toBe(expected);
    expect(formatFeeRate(feeRate(expected))).toBe(text);
  });

  it.each(['', '-1', '1.2345', '10000.001', '1e3', 'NaN', '1.', ' 1'])('refuses "%s"', (text) => {
    expect(parseFeeRate(text)).toMatchObject({ ok: false, error: { reason: 'INVALID_FEE_RATE' } });
  });

  it('refuses its own nonsense', () => {
    expect(() => feeRate(-1n)).toThrow('feerate');
    expect(() => feeRate(10_000_001n)).toThrow('feerate');
  });

  it('rounds fees up: to a virtual byte, then to a satoshi, so that the rate is never missed', () => {
    expect(feeFor(4, feeRate(1_000n))).toBe(1n);
    expect(feeFor(5, feeRate(1_000n))).toBe(2n);
    expect(feeFor(561, feeRate(1_000n))).toBe(141n);
    expect(feeFor(561, feeRate(1n))).toBe(1n);
    expect(feeFor(561, feeRate(0n))).toBe(0n);
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 400_000 }), fc.bigInt({ min: 0n, max: 1_000_000n }), (weight, rate) => {
        const fee = feeFor(weight, feeRate(rate));
        expect(feeRateOf(fee, weight)).toBeGreaterThanOrEqual(rate);
        expect(((fee - 1n) * 1_000n) / BigInt(vsizeOf(weight))).toBeLessThanOrEqual(rate);
      }),
    );
    expect(feeRateOf(141n as Sats, 561)).toBe(1_000n);
  });
});

describe('sizes', () => {
  const many = (kind: SpendKind, count: number): SpendKind[] => Array<SpendKind>(count).fill(kind);

  it('has the known weights', () => {
    expect(outputWeight(P2WPKH)).toBe(4 * 31);
    expect(outputWeight(P2TR)).toBe(4 * 43);
    // One P2WPKH input, two outputs: 141 vB; one P2TR input, one output: 111 vB; one P2PKH input, two P2PKH outputs: 226 bytes.
    expect(vsizeOf(transactionWeight([{ type: 'wpkh' }], [P2WPKH, P2WPKH]))).toBe(141);
    expect(vsizeOf(transactionWeight([{ type: 'tr' }], [P2TR]))).toBe(111);
    expect(transactionWeight([{ type: 'pkh' }], [P2PKH, P2PKH])).toBe(4 * 226);
  });

  it.each<[SpendKind, number]>([
    [{ type: 'pkh' }, 4 * 148],
    [{ type: 'sh-wpkh' }, 4 * 64 + 108],
    [{ type: 'wpkh' }, 4 * 41 + 108],
    [{ type: 'tr' }, 4 * 41 + 66],
    // 105 bytes of script.
    [{ type: 'wsh-sortedmulti', required: 2, keys: 3 }, 4 * 41 + 1 + 1 + 2 * 73 + 1 + 105],
    [{ type: 'sh-wsh-sortedmulti', required: 2, keys: 3 }, 4 * 76 + 1 + 1 + 2 * 73 + 1 + 105],
  ])('weighs an input of %j', (kind, expected) => {
    expect(inputWeight(kind)).toBe(expected);
  });

  it.each([
    [0, 1],
    [3, 2],
    [1, 21],
    [1.5, 2],
  ])('takes %d of %d keys for a bug', (required, keys) => {
    expect(() => inputWeight({ type: 'wsh-sortedmulti', required, keys })).toThrow('multisig');
  });

  it('counts the longer counts of many inputs', () => {
    const weigh = (count: number): number => transactionWeight(many({ type: 'wpkh' }, count), [P2WPKH]);
    expect(weigh(252) - weigh(251)).toBe(272);
    expect(weigh(253) - weigh(252)).toBe(272 + 8);
  });

  it('has room for 1,469 P2WPKH inputs in a standard transaction, as nodes do', () => {
    const weigh = (count: number): number => transactionWeight(many({ type: 'wpkh' }, count), [P2WPKH]);
    expect(weigh(1_469)).toBeLessThanOrEqual(400_000);
    expect(weigh(1_471)).toBeGreaterThan(400_000);
  });

  it('has stand-ins of the right type for scripts that are not known yet', () => {
    const types = Object.values(PLACEHOLDER_SCRIPT).map(scriptTypeOf);
    expect(types).toEqual(['p2pkh', 'p2sh', 'p2wpkh', 'p2tr', 'p2wsh', 'p2sh']);
  });
});

describe('estimates beside what bitcoinjs-lib builds with real signatures', () => {
  const multisig = fc
    .tuple(fc.constantFrom('wsh-sortedmulti' as const, 'sh-wsh-sortedmulti' as const), fc.integer({ min: 1, max: 16 }))
    .chain(([type, keys]) => fc.integer({ min: 1, max: keys }).map((required) => ({ type, required, keys })));
  const single = fc.constantFrom('pkh' as const, 'sh-wpkh' as const, 'wpkh' as const, 'tr' as const);
  const kinds = fc.array(fc.oneof({ weight: 4, arbitrary: single.map((type) => ({ type })) }, multisig), {
    minLength: 1,
    maxLength: 6,
  });
  const scripts = fc.array(
    fc.oneof(fc.constantFrom(P2WPKH, P2TR, P2PKH), fc.integer({ min: 1, max: 80 }).map(nulldata)),
    {
      minLength: 1,
      maxLength: 5,
    },
  );

  it('are exact but for the bytes that signatures turn out shorter', () => {
    const lengths = new Set<number>();
    fc.assert(
      fc.property(kinds, scripts, fc.nat({ max: 1_000_000 }), (inputs, outputs, seed) => {
        const { weight, ecdsa } = signedByBitcoinjs(inputs, outputs, seed);
        const slack = ecdsa.reduce((sum, { length, factor }) => sum + (72 - length) * factor, 0);
        for (const { length } of ecdsa) lengths.add(length);
        expect(transactionWeight(inputs, outputs)).toBe(weight + slack);
      }),
      { numRuns: 60 },
    );
    expect([...lengths].sort().slice(-2)).toEqual([71, 72]);
  });
});

interface EcdsaSignature {
  /** With its sighash byte. */
  readonly length: number;
  /** Weight of each of its bytes. */
  readonly factor: number;
}

/** A transaction that spends one made-up coin of each kind, with signatures that hold; R isn't made low. */
function signedByBitcoinjs(
  inputs: readonly SpendKind[],
  outputs: readonly ScriptHex[],
  seed: number,
): { readonly weight: number; readonly ecdsa: readonly EcdsaSignature[] } {
  const transaction = new Transaction();
  for (const index of inputs.keys()) transaction.addInput(new Uint8Array(32).fill(seed % 251), index);
  for (const script of outputs) transaction.addOutput(bytesFromHex(script), 1_000n);
  const ecdsa: EcdsaSignature[] = [];
  for (const [index, kind] of inputs.entries()) {
    const keys = Array.from({ length: 'keys' in kind ? kind.keys : 1 }, (_, i) => privateKey(seed, index, i));
    const pubkeys = keys.map((key) => ecc.pointFromScalar(key, true)!);
    const sign = (hash: Uint8Array, key: Uint8Array): Uint8Array => {
      const encoded = bitcoinScript.signature.encode(ecc.sign(hash, key), Transaction.SIGHASH_ALL);
      ecdsa.push({ length: encoded.length, factor: kind.type === 'pkh' ? 4 : 1 });
      return encoded;
    };
    const hashOf = (scriptCode: Uint8Array): Uint8Array =>
      transaction.hashForWitnessV0(index, scriptCode, 5_000n, Transaction.SIGHASH_ALL);
    const [pubkey] = pubkeys as [Uint8Array];
    const p2pkh = payments.p2pkh({ pubkey }).output!;
    const p2wpkh = payments.p2wpkh({ pubkey }).output!;
    switch (kind.type) {
      case 'pkh': {
        const signature = sign(transaction.hashForSignature(index, p2pkh, Transaction.SIGHASH_ALL), keys[0]!);
        transaction.setInputScript(index, payments.p2pkh({ pubkey, signature }).input!);
        break;
      }
      case 'sh-wpkh':
      case 'wpkh':
        transaction.setWitness(index, [sign(hashOf(p2pkh), keys[0]!), pubkey]);
        if (kind.type === 'sh-wpkh') transaction.setInputScript(index, bitcoinScript.compile([p2wpkh]));
        break;
      case 'tr': {
        const hash = transaction.hashForWitnessV1(
          index,
          inputs.map(() => p2wpkh),
          inputs.map(() => 5_000n),
          Transaction.SIGHASH_DEFAULT,
        );
        transaction.setWitness(index, [ecc.signSchnorr(hash, keys[0]!)]);
        break;
      }
      default: {
        const script = payments.p2ms({ m: kind.required, pubkeys }).output!;
        const signatures = keys.slice(0, kind.required).map((key) => sign(hashOf(script), key));
        transaction.setWitness(index, [new Uint8Array(0), ...signatures, script]);
        const p2wsh = payments.p2wsh({ redeem: { output: script } }).output!;
        if (kind.type === 'sh-wsh-sortedmulti') transaction.setInputScript(index, bitcoinScript.compile([p2wsh]));
      }
    }
  }
  return { weight: transaction.weight(), ecdsa };
}

function privateKey(...seed: readonly number[]): Uint8Array {
  return sha256(Buffer.from(`key ${seed.join('/')}`));
}

function nulldata(length: number): ScriptHex {
  return hexFromBytes(payments.embed({ data: [new Uint8Array(length).fill(1)] }).output!) as ScriptHex;
}
