import { unwrap } from '@finality/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Branch, deriveScript } from './derivation.ts';
import { type Descriptor, parseDescriptor } from './descriptor.ts';
import { bip32, ecc } from './ecc.ts';
import { hexFromBytes } from './hex.ts';
import { MasterKey } from './keys.ts';
import { compressedOf, CURVE_ORDER, multiplyGenerator, pointOf } from './second-curve.ts';
import { deriveScriptsAgain } from './second-derivation.ts';

const MASTER = new MasterKey(new Uint8Array(32).fill(5), 'mainnet');
const XPUBS = [6, 7, 8].map((seed) => bip32.fromSeed(new Uint8Array(32).fill(seed)).neutered().toBase58());
const keys = XPUBS.map((xpub) => `${xpub}/<0;1>/*`).join(',');
const multisig = (text: string): Descriptor => unwrap(parseDescriptor(text, 'mainnet'));

const scalarOf = (value: bigint): Uint8Array => Buffer.from(value.toString(16).padStart(64, '0'), 'hex');

describe('the second curve', () => {
  it('multiplies as the first does: small and large scalars, and many of any size', () => {
    const edges = [1n, 2n, 3n, 255n, 256n, 257n, 2n ** 248n, 2n ** 255n, CURVE_ORDER - 1n, CURVE_ORDER - 2n];
    const any = fc.bigInt({ min: 1n, max: CURVE_ORDER - 1n });
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 20 }), (values) => {
        const scalars = [...edges, ...values].map(scalarOf);
        const points = multiplyGenerator(scalars).map((point) => hexFromBytes(compressedOf(point)));
        expect(points).toEqual(scalars.map((scalar) => hexFromBytes(ecc.pointFromScalar(scalar, true)!)));
      }),
      { numRuns: 10 },
    );
  });

  it('reads compressed points, and refuses what is none', () => {
    for (let seed = 1; seed < 10; seed++) {
      const compressed = ecc.pointFromScalar(new Uint8Array(32).fill(seed), true)!;
      expect(hexFromBytes(compressedOf(pointOf(compressed)))).toBe(hexFromBytes(compressed));
    }
    expect(() => pointOf(Buffer.from(`02${'00'.repeat(31)}05`, 'hex'))).toThrow('on the curve');
    for (const scalar of [0n, CURVE_ORDER, 2n ** 256n - 1n])
      expect(() => multiplyGenerator([scalarOf(scalar)])).toThrow('a scalar is');
  });
});

describe('deriveScriptsAgain', () => {
  const wallets: readonly Descriptor[] = [
    ...(['pkh', 'sh-wpkh', 'wpkh', 'tr'] as const).map((type) => MASTER.account(type, 0).descriptor),
    multisig(`wsh(sortedmulti(2,${keys}))`),
    multisig(`sh(wsh(sortedmulti(2,${keys})))`),
  ];

  it.each(wallets.map((descriptor) => ({ type: descriptor.scriptType, descriptor })))(
    'derives what deriveScript does: $type',
    ({ descriptor }) => {
      const indices = [0, 1, 2, 3, 1_000, 2 ** 31 - 1];
      for (const branch of [0, 1] as Branch[]) {
        const expected = indices.map((index) => deriveScript(descriptor, branch, index).script);
        expect(deriveScriptsAgain(descriptor, branch, indices)).toEqual(expected);
      }
    },
  );

  it('derives none, and more than a chunk', () => {
    const [descriptor] = wallets as [Descriptor];
    expect(deriveScriptsAgain(descriptor, 0, [])).toEqual([]);
    const many = Array.from({ length: 501 }, (_, i) => i);
    expect(deriveScriptsAgain(descriptor, 0, many).at(-1)).toBe(deriveScript(descriptor, 0, 500).script);
    expect(() => deriveScriptsAgain(descriptor, 0, [-1])).toThrow('not an index');
  });
});
