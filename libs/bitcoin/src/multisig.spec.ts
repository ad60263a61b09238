import { createHash } from 'node:crypto';
import { unwrap } from '@finality/kernel';
import { crypto } from 'bitcoinjs-lib';
import { describe, expect, it } from 'vitest';
import { addressOf } from './address.ts';
import { deriveScript, keyPlaces } from './derivation.ts';
import { parseDescriptor } from './descriptor.ts';
import { bip32 } from './ecc.ts';
import { bytesFromHex, hexFromBytes } from './hex.ts';
import type { ScriptHex } from './ids.ts';
import { bitcoinjsNetwork } from './network.ts';
import { keyOfWif } from './wif.fixture.ts';
import vectors from './vectors/multisig.json' with { type: 'json' };
import { multisigScript, scriptsOf, sortedKeys } from './wallet-script.ts';

const XPUBS = Array.from({ length: 21 }, (_, i) =>
  bip32
    .fromSeed(new Uint8Array(32).fill(i + 1))
    .neutered()
    .toBase58(),
);
const keysOf = (count: number): string =>
  XPUBS.slice(0, count)
    .map((xpub) => `${xpub}/<0;1>/*`)
    .join(',');

describe('BIP67', () => {
  it.each(vectors.sorted)('keys of $address', ({ keys, sorted, script }) => {
    const inOrder = sortedKeys(keys.map(bytesFromHex));
    expect(inOrder.map(hexFromBytes)).toEqual(sorted);
    expect(multisigScript(2, inOrder)).toBe(script);
    expect(scriptsOf('wsh-sortedmulti', 2, keys.map(bytesFromHex)).witnessScript).toBe(script);
  });
});

describe('BIP383', () => {
  const find = (start: string): (typeof vectors.scripts)[number] =>
    vectors.scripts.find(({ descriptor }) => descriptor.startsWith(start))!;

  it('sortedmulti of two extended keys', () => {
    const { descriptor, scripts } = find('sortedmulti(2,xpub');
    const [first, second] = descriptor.match(/xpub\w+/g)!.map((xpub) => bip32.fromBase58(xpub));
    const nodes = [first!, second!.derive(0).derive(0)];
    expect(scripts).toHaveLength(3);
    for (const [index, script] of scripts.entries()) {
      const keys = nodes.map((node) => node.derive(index).publicKey);
      expect(scriptsOf('wsh-sortedmulti', 2, keys).witnessScript).toBe(script);
    }
  });

  it('16 keys: the count as OP_16', () => {
    const { descriptor, scripts } = find('sh(wsh(multi(16,03');
    const keys = descriptor.match(/0[23][0-9a-f]{64}/g)!.map(bytesFromHex);
    expect(p2shOfP2wsh(multisigScript(16, keys))).toBe(scripts[0]);
  });

  it('20 keys: the count as a byte', () => {
    const { descriptor, scripts } = find('wsh(multi(20,');
    const keys = descriptor.match(/[KL][1-9A-HJ-NP-Za-km-z]{51}/g)!.map((wif) => keyOfWif(wif).publicKey);
    expect(keys).toHaveLength(20);
    expect(`0020${hexFromBytes(sha256(multisigScript(20, keys)))}`).toBe(scripts[0]);
  });

  it.each(vectors.invalid)('invalid: $why', ({ descriptor }) => {
    expect(parseDescriptor(descriptor, 'mainnet').ok).toBe(false);
    expect(parseDescriptor(`wsh(${descriptor.replace('multi(', 'sortedmulti(')})`, 'mainnet').ok).toBe(false);
  });
});

describe.each([
  ['wsh(sortedmulti(', '))', 20, /^bc1q.{58}$/],
  ['sh(wsh(sortedmulti(', ')))', 15, /^3/],
] as const)('%sk,KEY,…%s', (open, close, keysMax, address) => {
  const wallet = (required: number | string, keys: string): ReturnType<typeof parseDescriptor> =>
    parseDescriptor(`${open}${required},${keys}${close}`, 'mainnet');

  it('derives scripts of its keys in lockstep, whatever order they are given in', () => {
    const descriptor = unwrap(wallet(2, keysOf(3)));
    expect(descriptor).toMatchObject({ required: 2, scriptType: expect.stringContaining('sortedmulti') as string });
    expect(descriptor.keys.map(({ xpub }) => xpub)).toEqual(XPUBS.slice(0, 3).toSorted());
    expect(unwrap(wallet(2, keysOf(3).split(',').toReversed().join(',')))).toEqual(descriptor);
    expect(unwrap(parseDescriptor([descriptor.external, descriptor.internal], 'mainnet'))).toEqual(descriptor);
    expect(unwrap(parseDescriptor(descriptor.text, 'mainnet'))).toEqual(descriptor);
    const derived = deriveScript(descriptor, 1, 7);
    const publicKeys = descriptor.keys.map(({ xpub }) => bip32.fromBase58(xpub).derive(1).derive(7).publicKey);
    expect(derived.publicKeys).toEqual(publicKeys.map(hexFromBytes));
    expect(derived.witnessScript).toBe(multisigScript(2, sortedKeys(publicKeys)));
    expect(derived.address).toMatch(address);
    expect(derived.address).toBe(addressOf(derived.script, 'mainnet'));
    expect(keyPlaces(descriptor, 1, 7).map(({ path }) => path)).toEqual(['1/7', '1/7', '1/7']);
  });

  it('has as many keys as allowed', () => {
    expect(unwrap(wallet(keysMax, keysOf(keysMax))).keys).toHaveLength(keysMax);
    expect(wallet(1, keysOf(keysMax + 1))).toMatchObject({ error: { reason: 'TOO_MANY_KEYS' } });
  });

  it.each([
    ['INVALID_THRESHOLD', 3, keysOf(2)],
    ['INVALID_THRESHOLD', 0, keysOf(2)],
    ['INVALID_THRESHOLD', 'a', keysOf(2)],
    ['INVALID_THRESHOLD', '01', keysOf(2)],
    ['DUPLICATE_KEY', 1, `${keysOf(2)},${keysOf(1)}`],
    ['DUPLICATE_KEY', 1, `${keysOf(1)},[00aabbcc/48h]${keysOf(1)}`],
    ['UNSUPPORTED_PATH', 1, `${keysOf(1)},${XPUBS[1]}/0/*`],
    ['UNSUPPORTED_PATH', 1, `${keysOf(1)},${XPUBS[1]}/<1;0>/*`],
    ['MISSING_RANGE', 1, `${keysOf(1)},${XPUBS[1]}`],
    ['HARDENED_DERIVATION', 1, `${keysOf(1)},${XPUBS[1]}/0h/*`],
    ['INVALID_KEY', 1, `${keysOf(1)},`],
    ['PRIVATE_KEY', 1, `${keysOf(1)},Zprv`],
  ])('is refused as %s: %s of %s', (reason, required, keys) => {
    expect(wallet(required, keys)).toMatchObject({ ok: false, error: { reason } });
  });

  it('takes cosigners’ keys in SLIP-132’s form for this script alone', () => {
    const isNested = open.startsWith('sh');
    const ownNetwork = bitcoinjsNetwork('mainnet');
    const inForm = (version: number): string =>
      XPUBS.slice(0, 2)
        .map((xpub) => {
          const node = bip32.fromBase58(xpub);
          node.network = { ...ownNetwork, bip32: { ...ownNetwork.bip32, public: version } };
          return `${node.toBase58()}/<0;1>/*`;
        })
        .join(',');
    const [fitting, other] = isNested ? [0x0295b43f, 0x02aa7ed3] : [0x02aa7ed3, 0x0295b43f];
    expect(unwrap(wallet(1, inForm(fitting)))).toEqual(unwrap(wallet(1, keysOf(2))));
    expect(wallet(1, inForm(other))).toMatchObject({ error: { reason: 'SCRIPT_TYPE_DIFFERS' } });
  });
});

function sha256(scriptHex: string): Uint8Array {
  return bytesFromHex(createHash('sha256').update(bytesFromHex(scriptHex)).digest('hex'));
}

/** The P2SH script of the P2WSH script of a witness script. */
function p2shOfP2wsh(witnessScript: ScriptHex): string {
  const program = bytesFromHex(`0020${hexFromBytes(sha256(witnessScript))}`);
  return `a914${hexFromBytes(crypto.hash160(program))}87`;
}
