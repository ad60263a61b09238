import { type Sats, unwrap } from '@finality/kernel';
import { script as bitcoinScript, Transaction } from 'bitcoinjs-lib';
import { describe, expect, it } from 'vitest';
import { deriveScript } from './derivation.ts';
import { transactionWeight } from './fees.ts';
import { bytesFromHex, hexFromBytes } from './hex.ts';
import { type ScriptHex, type Txid } from './ids.ts';
import { MasterKey, SigningKey } from './keys.ts';
import { buildPayoutTransaction, type PayoutTransaction } from './payout-transaction.ts';
import { SIGHASH_ALL, SIGHASH_DEFAULT, Sighashes } from './sighash.ts';
import { inputFaults, signTransaction, verifySignatures } from './signing.ts';
import { taprootOutputKey, taprootTweak } from './taproot.ts';
import { parseTransaction, type Prevout, rawHex } from './transaction.ts';
import bip143 from './vectors/bip143.json' with { type: 'json' };
import bip341 from './vectors/bip341.json' with { type: 'json' };

const [spending] = bip341.keyPathSpending;
const MASTER = new MasterKey(bytesFromHex('42'.repeat(32)), 'regtest');
const ACCOUNT = { wpkh: MASTER.account('wpkh', 0), tr: MASTER.account('tr', 0) };
const TYPES = ['wpkh', 'tr'] as const;

describe('BIP143', () => {
  const prevouts = bip143.prevouts.map(({ script, valueSats }) => prevout(script, BigInt(valueSats)));
  const { inputIndex } = bip143;

  it('has the sighash and the signature of the vector', () => {
    const key = new SigningKey(bytesFromHex(bip143.privateKey));
    expect(hexFromBytes(key.publicKey)).toBe(bip143.publicKey);
    const signature = bitcoinScript.signature.encode(
      key.signEcdsa(bytesFromHex(bip143.sighash)),
      Transaction.SIGHASH_ALL,
    );
    expect(hexFromBytes(signature)).toBe(bip143.signature);
  });

  it('accepts the signed input, and not another amount', () => {
    const signed = unwrap(parseTransaction(bip143.signed));
    const reasons = (spent: readonly Prevout[]): unknown[] =>
      [...inputFaults(signed, spent)].map((found) => found?.reason);
    expect(reasons(prevouts)).toEqual(['UNSUPPORTED_SCRIPT', undefined]);
    const other = prevouts.with(
      inputIndex,
      prevout(prevouts[inputIndex]!.script, prevouts[inputIndex]!.valueSats + 1n),
    );
    expect(reasons(other)).toEqual(['UNSUPPORTED_SCRIPT', 'INVALID_SIGNATURE']);
    expect(hexFromBytes(new Sighashes(signed, prevouts).wpkh(inputIndex, prevouts[inputIndex]!.script))).toBe(
      bip143.sighash,
    );
  });
});

describe('BIP341', () => {
  it.each(bip341.scriptPubKey)('output key of $given.internalPubkey', ({ given, intermediary, expected }) => {
    const internalKey = bytesFromHex(given.internalPubkey);
    const root = intermediary.merkleRoot === null ? undefined : bytesFromHex(intermediary.merkleRoot);
    expect(hexFromBytes(taprootTweak(internalKey, root))).toBe(intermediary.tweak);
    expect(`5120${hexFromBytes(taprootOutputKey(internalKey, root))}`).toBe(expected.scriptPubKey);
  });

  it.each(spending!.inputSpending)(
    'key path of input $given.txinIndex, hash type $given.hashType',
    ({ given, intermediary, expected }) => {
      const key = new SigningKey(bytesFromHex(given.internalPrivkey));
      expect(hexFromBytes(key.publicKey).slice(2)).toBe(intermediary.internalPubkey);
      const root = given.merkleRoot === null ? undefined : bytesFromHex(given.merkleRoot);
      const signature = hexFromBytes(key.signTaproot(bytesFromHex(intermediary.sigHash), root));
      expect(signature).toBe(expected.witness[0]!.slice(0, 128));
    },
  );

  it('has the sighashes of SIGHASH_DEFAULT and SIGHASH_ALL inputs, accepts these, and refuses the other types', () => {
    const signed = unwrap(parseTransaction(spending!.auxiliary.fullySignedTx));
    const prevouts = spending!.given.utxosSpent.map(({ scriptPubKey, amountSats }) =>
      prevout(scriptPubKey, BigInt(amountSats)),
    );
    const sighashes = new Sighashes(signed, prevouts);
    // Input 2 is P2PKH, and signed too.
    const expected = Array<string | undefined>(signed.inputs.length).fill(undefined);
    let compared = 0;
    for (const { given, intermediary } of spending!.inputSpending) {
      const isOurs = given.hashType === SIGHASH_DEFAULT || given.hashType === SIGHASH_ALL;
      if (!isOurs) expected[given.txinIndex] = 'WRONG_SIGHASH';
      else expect(hexFromBytes(sighashes.taproot(given.txinIndex, given.hashType as 0 | 1))).toBe(intermediary.sigHash);
      if (isOurs) compared++;
    }
    expect(compared).toBe(2);
    expect([...inputFaults(signed, prevouts)].map((found) => found?.reason)).toEqual(expected);
  });
});

it.each([1, 2, 40])('hashes for %i inputs what bitcoinjs-lib hashes', (count) => {
  const { payout, prevouts } = payoutOf('tr', count, 'wpkh');
  const sighashes = new Sighashes(unwrap(parseTransaction(payout.unsigned)), prevouts);
  const other = Transaction.fromHex(payout.unsigned);
  const last = count - 1;
  const { script, valueSats } = prevouts[last]!;
  const scriptCode = bytesFromHex(`76a914${script.slice(4)}88ac`);
  expect(sighashes.wpkh(last, script)).toEqual(
    Buffer.from(other.hashForWitnessV0(last, scriptCode, valueSats, SIGHASH_ALL)),
  );
  const scripts = prevouts.map((spent) => bytesFromHex(spent.script));
  const values = prevouts.map((spent) => spent.valueSats);
  for (const sighash of [SIGHASH_DEFAULT, SIGHASH_ALL] as const) {
    expect(hexFromBytes(sighashes.taproot(0, sighash))).toBe(
      hexFromBytes(other.hashForWitnessV1(0, scripts, values, sighash)),
    );
  }
});

describe.each(TYPES)('a payout from a %s wallet', (type) => {
  const { payout, prevouts } = payoutOf(type, 3);
  const keyFor = (index: number): SigningKey => ACCOUNT[type].signingKey(0, index);
  const signed = unwrap(signTransaction({ unsigned: payout.unsigned, prevouts, keyFor }));

  it('is signed, keeps its txid, and verifies', () => {
    expect(signed.txid).toBe(payout.txid);
    expect(unwrap(verifySignatures(rawHex(signed), prevouts)).wtxid).toBe(signed.wtxid);
  });

  it('is signed with the same bytes again', () => {
    expect(rawHex(unwrap(signTransaction({ unsigned: payout.unsigned, prevouts, keyFor })))).toBe(rawHex(signed));
  });

  it('does not verify with any bit of witness, output, amount or script changed', () => {
    const raw = rawHex(signed);
    const witness = hexFromBytes(signed.inputs[1]!.witness[0]!);
    const flipped = raw.replace(
      witness,
      `${witness.slice(0, 20)}${witness[20] === '0' ? '1' : '0'}${witness.slice(21)}`,
    );
    expect(verifySignatures(flipped, prevouts)).toMatchObject({
      ok: false,
      error: { inputIndex: 1, reason: 'INVALID_SIGNATURE' },
    });
    const paid = signed.outputs[0]!.script;
    const redirected = raw.replace(paid, `${paid.slice(0, -2)}${paid.endsWith('00') ? '01' : '00'}`);
    expect(verifySignatures(redirected, prevouts)).toMatchObject({ error: { reason: 'INVALID_SIGNATURE' } });
    const dearer = prevouts.with(2, prevout(prevouts[2]!.script, prevouts[2]!.valueSats + 1n));
    expect(verifySignatures(raw, dearer)).toMatchObject({ error: { reason: 'INVALID_SIGNATURE' } });
    expect(verifySignatures(raw, prevouts.toReversed())).toMatchObject({ error: { reason: 'INVALID_SIGNATURE' } });
    expect(verifySignatures(raw, prevouts.slice(1))).toMatchObject({ error: { reason: 'PREVOUTS_MISSING' } });
    expect(verifySignatures(payout.unsigned, prevouts)).toMatchObject({ error: { reason: 'MALFORMED_WITNESS' } });
  });

  it('refuses to sign with the wrong key, without one, or twice', () => {
    const wrong = (index: number): SigningKey => ACCOUNT[type].signingKey(1, index);
    const request = { unsigned: payout.unsigned, prevouts };
    expect(signTransaction({ ...request, keyFor: wrong })).toMatchObject({
      error: { reason: 'KEY_MISMATCH', inputIndex: 0 },
    });
    expect(signTransaction({ ...request, keyFor: () => undefined })).toMatchObject({ error: { reason: 'NO_KEY' } });
    expect(signTransaction({ ...request, prevouts: [], keyFor })).toMatchObject({
      error: { reason: 'PREVOUTS_MISSING' },
    });
    const again = signTransaction({ unsigned: rawHex(signed), prevouts, keyFor });
    expect(again).toMatchObject({ error: { reason: 'ALREADY_SIGNED' } });
    const foreign = prevouts.with(0, prevout(`76a914${'00'.repeat(20)}88ac`, 1n));
    expect(signTransaction({ ...request, prevouts: foreign, keyFor })).toMatchObject({
      error: { reason: 'UNSUPPORTED_SCRIPT' },
    });
  });

  it.each([1, 2, 10])('weighs at most what was estimated, and hardly less, with %i inputs', (count) => {
    const { payout: many, prevouts: spent } = payoutOf(type, count);
    const actual = unwrap(signTransaction({ unsigned: many.unsigned, prevouts: spent, keyFor }));
    expect(actual.weight).toBeLessThanOrEqual(many.weightMax);
    // P2WPKH: low R saves one of the worst case's bytes, rarely more; P2TR signatures have one size.
    expect(many.weightMax - actual.weight).toBeLessThanOrEqual(type === 'wpkh' ? 2 * count : 0);
    expect(
      transactionWeight(
        Array.from({ length: count }, () => ({ type })),
        actual.outputs.map(({ script }) => script),
      ),
    ).toBe(many.weightMax);
  });
});

it('signs inputs of both types in one transaction', () => {
  const mixed = payoutOf('tr', 2, 'wpkh');
  const keyFor = (index: number): SigningKey => ACCOUNT[index === 0 ? 'tr' : 'wpkh'].signingKey(0, index);
  const signed = unwrap(signTransaction({ unsigned: mixed.payout.unsigned, prevouts: mixed.prevouts, keyFor }));
  expect(verifySignatures(rawHex(signed), mixed.prevouts).ok).toBe(true);
});

it('refuses an ECDSA signature with high S and sighash types other than ALL', () => {
  const { payout, prevouts } = payoutOf('wpkh', 1);
  const key = ACCOUNT.wpkh.signingKey(0, 0);
  const signed = unwrap(signTransaction({ unsigned: payout.unsigned, prevouts, keyFor: () => key }));
  const [encoded, publicKey] = signed.inputs[0]!.witness as [Uint8Array, Uint8Array];
  const { signature } = bitcoinScript.signature.decode(encoded);
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const highS = (order - BigInt(`0x${hexFromBytes(signature.subarray(32))}`)).toString(16).padStart(64, '0');
  const withWitness = (...witness: Uint8Array[]): Uint8Array => {
    const transaction = Transaction.fromHex(payout.unsigned);
    transaction.setWitness(0, witness);
    return transaction.toBuffer();
  };
  const high = bitcoinScript.signature.encode(bytesFromHex(hexFromBytes(signature.subarray(0, 32)) + highS), 1);
  expect(verifySignatures(withWitness(encoded, publicKey), prevouts).ok).toBe(true);
  expect(verifySignatures(withWitness(high, publicKey), prevouts)).toMatchObject({
    error: { reason: 'INVALID_SIGNATURE' },
  });
  for (const hashType of [2, 3, 0x81, 0x83]) {
    const other = bitcoinScript.signature.encode(signature, hashType);
    expect(verifySignatures(withWitness(other, publicKey), prevouts)).toMatchObject({
      error: { reason: 'WRONG_SIGHASH' },
    });
  }
  for (const witness of [
    [encoded],
    [encoded, publicKey, publicKey],
    [publicKey, encoded],
    [encoded, new Uint8Array(33)],
  ]) {
    expect(verifySignatures(withWitness(...witness), prevouts)).toMatchObject({
      error: { reason: 'MALFORMED_WITNESS' },
    });
  }
});

function payoutOf(
  type: 'wpkh' | 'tr',
  count: number,
  lastType = type,
): { payout: PayoutTransaction; prevouts: Prevout[] } {
  const prevouts = Array.from({ length: count }, (_, index) => {
    const inputType = index === count - 1 ? lastType : type;
    return prevout(deriveScript(ACCOUNT[inputType].descriptor, 0, index).script, 100_000n + BigInt(index));
  });
  const inputs = prevouts.map((spent, vout) => ({ ...spent, outpoint: { txid: 'ab'.repeat(32) as Txid, vout } }));
  const outputs = [prevout(`0014${'11'.repeat(20)}`, 60_000n), prevout(`5120${'22'.repeat(32)}`, 30_000n)];
  return { payout: buildPayoutTransaction({ inputs, outputs, locktime: 120 }), prevouts };
}

function prevout(script: string, valueSats: bigint): Prevout {
  return { script: script as ScriptHex, valueSats: valueSats as Sats };
}
