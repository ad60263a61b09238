import { pbkdf2Sync } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type Branch, deriveScript } from './derivation.ts';
import { bip32, ecc } from './ecc.ts';
import { bytesFromHex, hexFromBytes } from './hex.ts';
import { MasterKey, SigningKey } from './keys.ts';
import bip32Vectors from './vectors/bip32.json' with { type: 'json' };
import bip84 from './vectors/bip84.json' with { type: 'json' };
import bip86 from './vectors/bip86.json' with { type: 'json' };

const SEED = bytesFromHex(bip84.seed);

describe('keys', () => {
  it.each(bip32Vectors.valid)('BIP32 from seed $seed', ({ seed, chains }) => {
    const master = bip32.fromSeed(bytesFromHex(seed));
    for (const { path, xpub, xprv } of chains) {
      const node = path === 'm' ? master : master.derivePath(path);
      expect(node.toBase58(), path).toBe(xprv);
      expect(node.neutered().toBase58(), path).toBe(xpub);
    }
    expect(new MasterKey(bytesFromHex(seed), 'mainnet').fingerprint).toBe(hexFromBytes(master.fingerprint));
  });

  it.each(bip32Vectors.invalid)('BIP32 invalid: $why', ({ key }) => {
    expect(() => bip32.fromBase58(key)).toThrow();
  });

  it('has the seed of the mnemonic that BIP84 and BIP86 use (BIP39)', () => {
    expect(pbkdf2Sync(bip84.mnemonic, 'mnemonic', 2048, 64, 'sha512').toString('hex')).toBe(bip84.seed);
    expect(bip86.seed).toBe(bip84.seed);
  });

  it('BIP84: account, addresses, change', () => {
    const account = new MasterKey(SEED, 'mainnet').account('wpkh', 0);
    expect(account.descriptor.keys[0]?.origin).toEqual({ fingerprint: '73c5da0a', path: '84h/0h/0h' });
    const zpubVersion = {
      ...bip32.fromBase58(account.xpub).network,
      bip32: { public: 0x04b24746, private: 0x04b2430c },
    };
    const zpub = bip32.fromBase58(bip84.accountZpub, zpubVersion);
    expect(hexFromBytes(zpub.publicKey)).toBe(hexFromBytes(bip32.fromBase58(account.xpub).publicKey));
    for (const { branch, index, publicKey, address } of bip84.keys) {
      expect(deriveScript(account.descriptor, branch as Branch, index)).toMatchObject({
        publicKeys: [publicKey],
        address,
      });
      expect(hexFromBytes(account.signingKey(branch as Branch, index).publicKey)).toBe(publicKey);
    }
  });

  it('BIP86: account, keys, scripts, addresses, change', () => {
    const account = new MasterKey(SEED, 'mainnet').account('tr', 0);
    expect(account.xpub).toBe(bip86.accountXpub);
    for (const { branch, index, internalKey, outputKey, script, address } of bip86.keys) {
      const derived = deriveScript(account.descriptor, branch as Branch, index);
      expect(derived).toMatchObject({ script, address });
      expect(derived.publicKeys[0]?.slice(2)).toBe(internalKey);
      expect(script).toBe(`5120${outputKey}`);
      const signature = account.signingKey(branch as Branch, index).signTaproot(new Uint8Array(32));
      expect(ecc.verifySchnorr(new Uint8Array(32), bytesFromHex(outputKey), signature)).toBe(true);
    }
  });

  it('has coin type 1 and a tpub off mainnet', () => {
    const account = new MasterKey(SEED, 'regtest').account('wpkh', 3);
    expect(account.descriptor.keys[0]?.origin?.path).toBe('84h/1h/3h');
    expect(account.xpub).toMatch(/^tpub/);
  });

  it('shows no private key to JSON or a log', () => {
    const master = new MasterKey(SEED, 'regtest');
    const account = master.account('tr', 0);
    const key = account.signingKey(0, 0);
    const node = bip32.fromSeed(SEED).derivePath("m/86'/1'/0'");
    const secrets = [node, node.derive(0), node.derive(0).derive(0)].map(({ privateKey }) => hexFromBytes(privateKey!));
    const seen = [master, account, key]
      .map((value) => `${JSON.stringify(value)}${inspect(value, { depth: 9, showHidden: true })}`)
      .join();
    for (const secret of secrets) {
      expect(seen).not.toContain(secret);
      expect(seen).not.toContain([...bytesFromHex(secret)].slice(0, 8).join(', '));
    }
    expect(seen).not.toContain('tprv');
  });

  it('signs ECDSA with low R, low S, and the same bytes again', () => {
    const key = new MasterKey(SEED, 'regtest').account('wpkh', 0).signingKey(0, 0);
    for (let i = 0; i < 20; i++) {
      const hash = new Uint8Array(32).fill(i);
      const signature = key.signEcdsa(hash);
      expect(signature[0]).toBeLessThan(0x80);
      expect(ecc.verify(hash, key.publicKey, signature, true)).toBe(true);
      expect(key.signEcdsa(hash)).toEqual(signature);
    }
  });

  it('refuses what is no private key', () => {
    for (const bytes of [new Uint8Array(32), new Uint8Array(32).fill(0xff), new Uint8Array(31).fill(1)]) {
      expect(() => new SigningKey(bytes)).toThrow();
    }
  });

  it('refuses seeds that are too short or too long', () => {
    for (const length of [0, 15, 65])
      expect(() => new MasterKey(new Uint8Array(length), 'regtest')).toThrow('16 to 64');
  });
});
