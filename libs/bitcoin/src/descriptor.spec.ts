import { unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { HARDENED, parsePath } from './derivation-path.ts';
import { descriptorChecksum } from './descriptor-checksum.ts';
import { type Branch, deriveScript, keyPlaces } from './derivation.ts';
import { describeKey, type Descriptor, descriptorFor, parseDescriptor, withChecksum } from './descriptor.ts';
import { bip32 } from './ecc.ts';
import { bytesFromHex, hexFromBytes } from './hex.ts';
import { MasterKey } from './keys.ts';
import { bitcoinjsNetwork } from './network.ts';
import bip32Vectors from './vectors/bip32.json' with { type: 'json' };
import bip86 from './vectors/bip86.json' with { type: 'json' };
import bip84 from './vectors/bip84.json' with { type: 'json' };
import vectors from './vectors/descriptors.json' with { type: 'json' };
import slip132 from './vectors/slip132.json' with { type: 'json' };
import { scriptOf } from './wallet-script.ts';

const XPUB = bip86.accountXpub;
const TPUB = bip32
  .fromSeed(bytesFromHex('07'.repeat(32)), bitcoinjsNetwork('regtest'))
  .neutered()
  .toBase58();
const { checksum } = vectors;

/** What the vectors' keys are refused for in `wpkh(KEY)` on mainnet; undefined: accepted with `/<0;1>/*` after it. */
function reasonFor(key: string): string | undefined {
  if (/prv|^[5L]/.test(key)) return 'PRIVATE_KEY';
  if (/(^|\])04/.test(key)) return 'INVALID_KEY';
  if (/(^|\])0[23]/.test(key)) return 'MISSING_RANGE';
  const steps = key.slice(key.indexOf(']') + 1);
  if (/\dh|\*h/.test(steps)) return 'HARDENED_DERIVATION';
  if (!steps.includes('/')) return undefined;
  return steps.endsWith('*') ? 'UNSUPPORTED_PATH' : 'MISSING_RANGE';
}

describe('descriptor checksums (BIP380)', () => {
  it('computes the checksum of the vector', () => {
    expect(descriptorChecksum('raw(deadbeef)')).toBe(checksum['Valid checksum'].split('#')[1]);
    expect(descriptorChecksum('raw(Ü)')).toBeUndefined();
  });

  it.each(Object.entries(checksum))('%s: %s', (what, text) => {
    const reason = {
      'Valid checksum': 'UNSUPPORTED_SCRIPT',
      'No checksum': 'UNSUPPORTED_SCRIPT',
      'Invalid characters in payload': 'MALFORMED_DESCRIPTOR',
    }[what];
    expect(parseDescriptor(text, 'mainnet')).toMatchObject({ ok: false, error: { reason: reason ?? 'BAD_CHECKSUM' } });
  });

  it('notices every change of one character', () => {
    const text = withChecksum(`wpkh([00aabbcc/84h/0h/0h]${XPUB}/<0;1>/*)`);
    expect(parseDescriptor(text, 'mainnet').ok).toBe(true);
    for (let at = 0; at < text.length; at++) {
      const changed = `${text.slice(0, at)}${text[at] === '0' ? '1' : '0'}${text.slice(at + 1)}`;
      expect(parseDescriptor(changed, 'mainnet').ok, changed).toBe(false);
    }
  });
});

describe('descriptor keys (BIP380, 382, 386, 389)', () => {
  it.each(vectors.validKeys)('valid in general: $why', ({ key }) => {
    const reason = reasonFor(key);
    const result = parseDescriptor(`wpkh(${key}${reason ? '' : '/<0;1>/*'})`, 'mainnet');
    expect(result).toMatchObject(reason ? { ok: false, error: { reason } } : { ok: true });
    if (!result.ok) expect(result.error.message).not.toContain(key.slice(-20));
  });

  it.each(vectors.invalidKeys)('invalid: $why', ({ key }) => {
    expect(parseDescriptor(`wpkh(${key})`, 'mainnet').ok).toBe(false);
    if (/^\[.*\]0/.test(key)) {
      const swapped = `wpkh(${key.replace(/\][^[\]]*$/, `]${XPUB}/<0;1>/*`)})`;
      expect(parseDescriptor(swapped, 'mainnet')).toMatchObject({ ok: false, error: { reason: 'INVALID_KEY_ORIGIN' } });
    }
  });

  it.each([...vectors.invalid, ...vectors.scripts])('refused: $descriptor', ({ descriptor }) => {
    expect(parseDescriptor(descriptor, 'mainnet').ok).toBe(false);
  });

  it.each(vectors.scripts.filter(({ descriptor }) => /^(pkh|wpkh|tr)\((\[.*\])?[0-9a-f]{64,66}\)$/.test(descriptor)))(
    'script of $descriptor',
    (vector) => {
      const [, type, key] = /^(pkh|wpkh|tr)\((?:\[.*\])?(.*)\)$/.exec(vector.descriptor)!;
      const compressed = bytesFromHex(key!.length === 64 ? `02${key}` : key!);
      expect(scriptOf(type as 'pkh' | 'wpkh' | 'tr', compressed)).toBe(vector.scripts[0]);
    },
  );

  it.each(bip32Vectors.invalid)('BIP32 invalid: $why', ({ key }) => {
    const reason = key.startsWith('xprv') ? 'PRIVATE_KEY' : 'INVALID_KEY';
    expect(parseDescriptor(`tr(${key}/<0;1>/*)`, 'mainnet')).toMatchObject({ ok: false, error: { reason } });
  });
});

describe('parseDescriptor', () => {
  it('reads one text with both branches, and the pair, as the same', () => {
    const one = unwrap(parseDescriptor(`wpkh([AABBCCDD/84'/0h/0']${XPUB}/<0;1>/*)`, 'mainnet'));
    expect(one).toMatchObject({
      scriptType: 'wpkh',
      network: 'mainnet',
      keys: [{ origin: { fingerprint: 'aabbccdd', path: '84h/0h/0h' } }],
    });
    expect(unwrap(parseDescriptor([one.external, one.internal], 'mainnet'))).toEqual(one);
    expect(unwrap(parseDescriptor(one.text, 'mainnet'))).toEqual(one);
    const parts = { network: 'mainnet', scriptType: 'wpkh', fingerprint: 'aabbccdd', accountXpub: XPUB } as const;
    expect(descriptorFor({ ...parts, accountPath: "m/84'/0'/0'" })).toEqual(one);
    expect(structuredClone(one)).toEqual(one);
  });

  it('reads a key without an origin, which then is its own', () => {
    const descriptor = unwrap(parseDescriptor(`tr(${XPUB}/<0;1>/*)`, 'mainnet'));
    expect(descriptor.keys).toEqual([{ xpub: XPUB }]);
    const fingerprint = hexFromBytes(bip32.fromBase58(XPUB).fingerprint);
    expect(keyPlaces(descriptor, 1, 7)).toMatchObject([{ fingerprint, path: '1/7' }]);
  });

  it.each([
    ['WRONG_NETWORK', `wpkh(${TPUB}/<0;1>/*)`],
    ['UNSUPPORTED_SCRIPT', `sh(pkh(${XPUB}/<0;1>/*))`],
    ['UNSUPPORTED_SCRIPT', `sh(sortedmulti(1,${XPUB}/<0;1>/*))`],
    ['UNSUPPORTED_SCRIPT', `wpkh(${XPUB}/<0;1>/*,${XPUB}/<0;1>/*)`],
    ['UNSUPPORTED_SCRIPT', `wsh(multi(1,${XPUB}/<0;1>/*))`],
    ['UNSUPPORTED_SCRIPT', `tr(${XPUB}/<0;1>/*,pk(${XPUB}/2/*))`],
    ['MISSING_RANGE', `wpkh(${XPUB}/<0;1>)`],
    ['MISSING_RANGE', `wpkh(${XPUB})`],
    ['HARDENED_DERIVATION', `wpkh(${XPUB}/<0;1>/*h)`],
    ['HARDENED_DERIVATION', `wpkh(${XPUB}/<0h;1h>/*)`],
    ['UNSUPPORTED_PATH', `wpkh(${XPUB}/<1;0>/*)`],
    ['UNSUPPORTED_PATH', `wpkh(${XPUB}/<0;1;2>/*)`],
    ['UNSUPPORTED_PATH', `wpkh(${XPUB}/0/*)`],
    ['UNSUPPORTED_PATH', `wpkh(${XPUB}/*)`],
    ['INVALID_KEY', `wpkh(${XPUB.slice(0, -1)}x/<0;1>/*)`],
    [
      'SCRIPT_TYPE_DIFFERS',
      `tr(zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868RvUUkgDKf31mGDtKsAYz2oz2AGutZYs/<0;1>/*)`,
    ],
    ['INVALID_KEY', 'wpkh()'],
    ['MALFORMED_DESCRIPTOR', ''],
    ['MALFORMED_DESCRIPTOR', ` wpkh(${XPUB}/<0;1>/*)`],
    ['MALFORMED_DESCRIPTOR', 'x'.repeat(7_001)],
  ])('%s: %s', (reason, text) => {
    expect(parseDescriptor(text, 'mainnet')).toMatchObject({ ok: false, error: { reason } });
  });

  it('refuses an xpub on the other networks and takes a tpub on all of them', () => {
    for (const network of ['testnet4', 'signet', 'regtest'] as const) {
      expect(parseDescriptor(`wpkh(${XPUB}/<0;1>/*)`, network)).toMatchObject({ error: { reason: 'WRONG_NETWORK' } });
      expect(unwrap(parseDescriptor(`wpkh(${TPUB}/<0;1>/*)`, network)).network).toBe(network);
    }
  });

  it('refuses pairs that do not belong together', () => {
    const pair = (external: string, internal: string): unknown => parseDescriptor([external, internal], 'mainnet');
    const other = `wpkh([aabbccdd/84h/0h/0h]${XPUB}/1/*)`;
    expect(pair(`wpkh(${XPUB}/0/*)`, other)).toMatchObject({ error: { reason: 'BRANCHES_DIFFER' } });
    expect(pair(`wpkh(${XPUB}/0/*)`, `tr(${XPUB}/1/*)`)).toMatchObject({ error: { reason: 'BRANCHES_DIFFER' } });
    expect(pair(`wpkh(${XPUB}/1/*)`, `wpkh(${XPUB}/0/*)`)).toMatchObject({ error: { reason: 'UNSUPPORTED_PATH' } });
    expect(pair(`wpkh(${XPUB}/<0;1>/*)`, `wpkh(${XPUB}/1/*)`)).toMatchObject({ error: { reason: 'UNSUPPORTED_PATH' } });
  });
});

describe('deriveScript', () => {
  it.each(['pkh', 'wpkh', 'tr'] as const)('derives what bip32 derives: %s', (scriptType) => {
    const descriptor = unwrap(parseDescriptor(`${scriptType}(${TPUB}/<0;1>/*)`, 'regtest'));
    const account = bip32.fromBase58(TPUB, bitcoinjsNetwork('regtest'));
    for (const branch of [0, 1] as Branch[]) {
      for (const index of [0, 1, 2, 1_000, 2 ** 31 - 1]) {
        const key = account.derive(branch).derive(index).publicKey;
        const derived = deriveScript(descriptor, branch, index);
        expect(derived.publicKeys).toEqual([hexFromBytes(key)]);
        expect(derived.script).toBe(scriptOf(scriptType, key));
        expect(derived.address).toMatch({ pkh: /^[mn]/, wpkh: /^bcrt1q/, tr: /^bcrt1p/ }[scriptType]);
      }
    }
  });

  it('has no index beyond the unhardened ones', () => {
    const descriptor: Descriptor = unwrap(parseDescriptor(`wpkh(${TPUB}/<0;1>/*)`, 'regtest'));
    for (const index of [-1, 0.5, 2 ** 31, Number.NaN])
      expect(() => deriveScript(descriptor, 0, index)).toThrow('not an index');
  });
});

describe('derivation paths', () => {
  it('reads both marks of hardened steps, and nothing loose', () => {
    expect(parsePath("m/84'/1h/0")).toEqual([84 + HARDENED, 1 + HARDENED, 0]);
    expect(parsePath('m')).toEqual([]);
    expect(parsePath('')).toEqual([]);
    for (const text of ['m/', 'm//0', 'm/0H', 'm/01', 'm/-1', 'm/2147483648', 'm/x', 'm/0/', `m${'/0'.repeat(30)}`]) {
      expect(parsePath(text), text).toBeUndefined();
    }
  });
});

describe('extended keys by themselves (SLIP-132)', () => {
  it.each(slip132.accounts)('$path', ({ scriptType, publicKey, firstAddress, privateKey, path }) => {
    const type = scriptType as 'pkh' | 'sh-wpkh' | 'wpkh';
    const described = unwrap(describeKey(publicKey, 'mainnet', type));
    expect(deriveScript(described, 0, 0).address).toBe(firstAddress);
    const ours = new MasterKey(bytesFromHex(bip84.seed), 'mainnet').account(type, 0).descriptor;
    expect(described.keys).toEqual([{ xpub: ours.keys[0]!.xpub }]);
    const withOrigin = `[${ours.keys[0]!.origin!.fingerprint}${path.slice(1)}]${publicKey}`;
    expect(unwrap(describeKey(withOrigin, 'mainnet', type))).toEqual(ours);
    const untold = describeKey(publicKey, 'mainnet');
    expect(untold).toMatchObject(type === 'pkh' ? { error: { reason: 'SCRIPT_TYPE_MISSING' } } : { value: described });
    expect(describeKey(privateKey, 'mainnet', type)).toMatchObject({ error: { reason: 'PRIVATE_KEY' } });
    const reason = publicKey.startsWith('xpub') ? 'UNSUPPORTED_SCRIPT' : undefined;
    if (!reason)
      expect(describeKey(publicKey, 'mainnet', 'tr')).toMatchObject({ error: { reason: 'SCRIPT_TYPE_DIFFERS' } });
  });

  it('BIP49: the account of testnet, shown as a descriptor', () => {
    const { accountUpub, accountUprv, publicKey, address } = slip132.bip49;
    const described = unwrap(describeKey(accountUpub, 'testnet4'));
    expect(described.text).toMatch(/^sh\(wpkh\(tpub\w+\/<0;1>\/\*\)\)#/);
    expect(deriveScript(described, 0, 0)).toMatchObject({ publicKeys: [publicKey], address });
    const inside = `sh(wpkh(${accountUpub}/<0;1>/*))`;
    expect(unwrap(parseDescriptor(inside, 'testnet4'))).toEqual(described);
    expect(parseDescriptor(inside, 'mainnet')).toMatchObject({ error: { reason: 'WRONG_NETWORK' } });
    expect(describeKey(accountUprv, 'testnet4')).toMatchObject({ error: { reason: 'PRIVATE_KEY' } });
  });

  it.each([
    ['SCRIPT_TYPE_MISSING', XPUB, undefined],
    ['UNSUPPORTED_SCRIPT', XPUB, 'wsh-sortedmulti'],
    ['WRONG_NETWORK', TPUB, 'wpkh'],
    ['UNSUPPORTED_PATH', `${XPUB}/0/*`, 'wpkh'],
    ['HARDENED_DERIVATION', `${XPUB}/0h`, 'wpkh'],
    ['INVALID_KEY', `${XPUB}x`, 'wpkh'],
    ['MALFORMED_DESCRIPTOR', `${XPUB}#abcdefgh`, 'wpkh'],
    ['MALFORMED_DESCRIPTOR', 'x'.repeat(7_001), 'wpkh'],
  ] as const)('%s: %s', (reason, text, scriptType) => {
    expect(describeKey(text, 'mainnet', scriptType)).toMatchObject({ ok: false, error: { reason } });
  });
});
