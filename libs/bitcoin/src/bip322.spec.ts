import { unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { addressOf, parseAddress } from './address.ts';
import { messageHash, signMessage, toSignOf, toSpendOf, verifyMessage } from './bip322.ts';
import { deriveScript, type DerivedScript } from './derivation.ts';
import { parseDescriptor } from './descriptor.ts';
import { bip32 } from './ecc.ts';
import { hexFromBytes } from './hex.ts';
import type { ScriptHex } from './ids.ts';
import { MasterKey, SigningKey } from './keys.ts';
import vectors from './vectors/bip322.json' with { type: 'json' };
import { scriptOf, scriptsOf } from './wallet-script.ts';
import { keyOfWif } from './wif.fixture.ts';

const scriptAt = (address: string): ScriptHex => unwrap(parseAddress(address, 'mainnet'));
/** Time locks and bare P2SH multisig are scripts that no wallet here has. */
const isForeign = (type: string): boolean => type.endsWith('-time-lock') || type.startsWith('p2sh-multisig');

describe('BIP322: hashes', () => {
  it.each(vectors.hashes)('of "$message"', ({ message, address, ...expected }) => {
    const toSpend = toSpendOf(message, scriptAt(address));
    expect(hexFromBytes(messageHash(message))).toBe(expected.message_hash);
    expect(toSpend.getId()).toBe(expected.to_spend_tx_hash);
    expect(toSignOf(toSpend).getId()).toBe(expected.to_sign_tx_hash);
  });
});

describe('BIP322: valid signatures', () => {
  const all = [...vectors.simple, ...vectors.full];
  it.each(all)('$type of "$message"', (vector) => {
    for (const signature of vector.bip322_signatures) {
      const result = verifyMessage(vector.message, scriptAt(vector.address), signature);
      if (isForeign(vector.type)) expect(result).toMatchObject({ ok: false, error: { reason: 'INCONCLUSIVE' } });
      else {
        const isFull = signature.startsWith('ful');
        expect(unwrap(result)).toEqual({
          variant: isFull ? 'full' : 'simple',
          locktime: 'lock_time' in vector ? vector.lock_time : 0,
          sequence: 'sequence' in vector ? vector.sequence : 0,
          funds: [],
        });
      }
    }
  });

  it.each(vectors.funds)('proof of funds of $type and others', (vector) => {
    const { message, address, lock_time, sequence, additional_inputs } = vector;
    const result = verifyMessage(message, scriptAt(address), vector.bip322_signatures[0]!);
    const types = [vector.type, ...additional_inputs.flat().map(({ type }) => type)];
    if (types.some(isForeign)) expect(result).toMatchObject({ error: { reason: 'INCONCLUSIVE' } });
    else {
      const proof = unwrap(result);
      expect(proof).toMatchObject({ variant: 'proof_of_funds', locktime: lock_time, sequence });
      expect(proof.funds.map(({ spent }) => Number(spent.valueSats))).toEqual(
        additional_inputs.flat().map(({ value }) => value),
      );
    }
  });

  it.each(vectors.simple.filter(({ type }) => type === 'p2wpkh' || type === 'p2wsh-multisig-2of2'))(
    'signs $type as the vector has it',
    ({ message, address, private_keys, bip322_signatures, witness_script }) => {
      const keys = private_keys.map(keyOfWif);
      const publicKeys = keys.map(({ publicKey }) => publicKey);
      const isMultisig = witness_script !== '';
      const scripts = isMultisig
        ? { script: scriptAt(address), witnessScript: witness_script as ScriptHex }
        : { script: scriptOf('wpkh', publicKeys[0]!) };
      const derived: DerivedScript = { ...scripts, address, publicKeys: publicKeys.map(hexFromBytes) };
      const type = isMultisig ? 'wsh-sortedmulti' : 'wpkh';
      const signature = signMessage(message, { scriptType: type, required: keys.length }, derived, keys);
      // Signers differ in whether they look for a low R; the vectors have both.
      expect(signature.startsWith('smp')).toBe(true);
      if (bip322_signatures.length > 1) expect(bip322_signatures).toContain(signature);
      expect(verifyMessage(message, scriptAt(address), signature).ok).toBe(true);
    },
  );
});

describe('BIP322: invalid signatures', () => {
  it.each(vectors.error)('$description', ({ message, address, signature }) => {
    expect(verifyMessage(message, scriptAt(address), signature).ok).toBe(false);
  });
});

describe('wallets of every type', () => {
  const master = new MasterKey(new Uint8Array(32).fill(11), 'mainnet');
  const nodes = [1, 2, 3].map((seed) => bip32.fromSeed(new Uint8Array(32).fill(seed)));
  const keys = nodes.map((node) => `${node.neutered().toBase58()}/<0;1>/*`).join(',');
  const cosigners = nodes.map((node) => new SigningKey(node.derive(0).derive(0).privateKey!));
  const wallets = [
    ...(['pkh', 'sh-wpkh', 'wpkh', 'tr'] as const).map((type) => {
      const account = master.account(type, 0);
      return { type, descriptor: account.descriptor, signers: [account.signingKey(0, 0)] };
    }),
    ...(['wsh(sortedmulti(2,%))', 'sh(wsh(sortedmulti(2,%)))'] as const).map((text) => {
      const descriptor = unwrap(parseDescriptor(text.replace('%', keys), 'mainnet'));
      return { type: descriptor.scriptType, descriptor, signers: cosigners.slice(1) };
    }),
  ];

  it.each(wallets)('$type: signs and verifies, for this message and this script alone', ({ type, ...wallet }) => {
    const derived = deriveScript(wallet.descriptor, 0, 0);
    const signature = signMessage('hello', wallet.descriptor, derived, wallet.signers);
    expect(signature.slice(0, 3)).toBe(type === 'pkh' || type.startsWith('sh-') ? 'ful' : 'smp');
    expect(verifyMessage('hello', derived.script, signature).ok).toBe(true);
    expect(verifyMessage('hellp', derived.script, signature).ok).toBe(false);
    expect(verifyMessage('hello', deriveScript(wallet.descriptor, 0, 1).script, signature).ok).toBe(false);
    const foreign = master.account('wpkh', 9).signingKey(0, 0);
    expect(() => signMessage('hello', wallet.descriptor, derived, [foreign])).toThrow('keys of its script');
  });

  it('takes no more and no fewer signatures than required, and each key once', () => {
    const { descriptor } = wallets[4]!;
    const derived = deriveScript(descriptor, 0, 0);
    for (const signers of [cosigners.slice(0, 1), [cosigners[0]!, cosigners[0]!]])
      expect(() => signMessage('hello', descriptor, derived, signers)).toThrow('keys of its script');
    expect(signMessage('hello', descriptor, derived, cosigners)).toMatch(/^smp/);
  });

  it.each([
    ['', 'MALFORMED_SIGNATURE'],
    ['smp', 'MALFORMED_SIGNATURE'],
    ['smp!', 'MALFORMED_SIGNATURE'],
    [`smp${'A'.repeat(200_000)}`, 'MALFORMED_SIGNATURE'],
    ['smpAA==', 'INVALID_SIGNATURE'],
    ['fulAA==', 'MALFORMED_SIGNATURE'],
    ['pofAA==', 'MALFORMED_SIGNATURE'],
    [`pof${Buffer.from('psbt').toString('base64')}`, 'MALFORMED_SIGNATURE'],
  ])('refuses %s', (signature, reason) => {
    const { script } = deriveScript(wallets[2]!.descriptor, 0, 0);
    expect(verifyMessage('hello', script, signature)).toMatchObject({ ok: false, error: { reason } });
  });

  it('has nothing to say of other scripts, and no simple signature for those that aren’t segwit', () => {
    const publicKey = cosigners[0]!.publicKey;
    const { script, redeemScript } = scriptsOf('sh-wpkh', 1, [publicKey]);
    expect(addressOf(script, 'mainnet')).toMatch(/^3/);
    expect(redeemScript).toBe(scriptOf('wpkh', publicKey));
    expect(verifyMessage('hello', script, 'smpAQA=')).toMatchObject({ error: { reason: 'MALFORMED_SIGNATURE' } });
  });
});
