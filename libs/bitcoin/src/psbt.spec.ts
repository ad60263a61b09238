import { type Sats, unwrap } from '@finality/kernel';
import { Psbt, Transaction } from 'bitcoinjs-lib';
import { describe, expect, it } from 'vitest';
import { deriveScript, type DerivedScript, keyPlaces } from './derivation.ts';
import { type Descriptor, parseDescriptor } from './descriptor.ts';
import { bip32 } from './ecc.ts';
import { bytesFromHex, hexFromBytes } from './hex.ts';
import type { ScriptHex, Txid } from './ids.ts';
import { MasterKey, SigningKey } from './keys.ts';
import { collectSignatures, finalisePsbt, preparePsbt, type PsbtPlan, transactionOfPsbt } from './psbt.ts';
import { readSignatures } from './psbt-signatures.ts';
import { forgePsbt, type KeyAt, otherPsbt, signPsbt } from './psbt-signer.fixture.ts';
import { Sighashes } from './sighash.ts';
import { parseTransaction, rawHex } from './transaction.ts';
import bip174 from './vectors/bip174.json' with { type: 'json' };
import bip371 from './vectors/bip371.json' with { type: 'json' };

const MASTER = new MasterKey(bytesFromHex('42'.repeat(32)), 'mainnet');
const NODES = [1, 2, 3].map((seed) => bip32.fromSeed(new Uint8Array(32).fill(seed)));
const PAYEE = `0020${'77'.repeat(32)}` as ScriptHex;
const sats = (value: bigint): Sats => value as Sats;

interface Wallet {
  readonly type: string;
  readonly descriptor: Descriptor;
  /** One after the other, each with one PSBT. */
  readonly signers: readonly KeyAt[];
}

const multisig = (text: string): Wallet => {
  const keys = NODES.map((node) => `${node.neutered().toBase58()}/<0;1>/*`).join(',');
  const descriptor = unwrap(parseDescriptor(text.replace('%', keys), 'mainnet'));
  const signers = NODES.map(
    (node): KeyAt =>
      (branch, index) =>
        new SigningKey(node.derive(branch).derive(index).privateKey!),
  );
  return { type: descriptor.scriptType, descriptor, signers };
};
const singleKey = (type: 'pkh' | 'sh-wpkh' | 'wpkh' | 'tr'): Wallet => {
  const account = MASTER.account(type, 0);
  return { type, descriptor: account.descriptor, signers: [(branch, index) => account.signingKey(branch, index)] };
};
const WALLETS = [
  singleKey('wpkh'),
  singleKey('sh-wpkh'),
  singleKey('tr'),
  multisig('wsh(sortedmulti(2,%))'),
  multisig('sh(wsh(sortedmulti(2,%)))'),
];

describe.each(WALLETS)('a payout of a $type wallet', ({ type, descriptor, signers }) => {
  const plan = planOf(descriptor);
  const prepared = unwrap(preparePsbt(plan));
  const { required } = descriptor;
  const signedBy = (keyAt: KeyAt, sighash?: number): string =>
    signPsbt(prepared.base64, keyAt, sighash === undefined ? {} : { sighash });
  const all = signers.slice(0, required).map((keyAt) => signedBy(keyAt));

  it('has a PSBT that tells signers what is spent, by which scripts and keys, and which output is change', () => {
    const psbt = Psbt.fromBase64(prepared.base64);
    const [payee, change] = psbt.data.outputs;
    expect(payee).toEqual({});
    const places = keyPlaces(descriptor, 1, 5);
    const derivations = change!.bip32Derivation ?? change!.tapBip32Derivation ?? [];
    expect(derivations.map(({ path }) => path)).toEqual(places.map(({ path }) => `m/${path.replaceAll('h', "'")}`));
    const fingerprints = derivations.map(({ masterFingerprint }) => hexFromBytes(masterFingerprint));
    expect(fingerprints.toSorted()).toEqual(places.map(({ fingerprint }) => fingerprint).toSorted());
    const { redeemScript, witnessScript } = deriveScript(descriptor, 0, 0);
    const [input] = psbt.data.inputs;
    expect(input!.witnessUtxo?.value).toBe(250_000n);
    expect(input!.redeemScript && hexFromBytes(input!.redeemScript)).toBe(redeemScript);
    expect(input!.witnessScript && hexFromBytes(input!.witnessScript)).toBe(witnessScript);
  });

  it('comes back signed, together or one by one, with the txid that was known before', () => {
    const transaction = unwrap(finalisePsbt(plan, all));
    expect(transaction.txid).toBe(prepared.txid);
    expect(rawHex(unwrap(finalisePsbt(plan, all.toReversed())))).toBe(rawHex(transaction));
    let kept = prepared.base64;
    for (const [i, keyAt] of signers.slice(0, required).entries()) {
      const progress = unwrap(collectSignatures(plan, [kept, signPsbt(kept, keyAt)]));
      expect(progress.missing).toBe(2 * (required - i - 1));
      kept = progress.combined;
    }
    expect(rawHex(unwrap(finalisePsbt(plan, [kept])))).toBe(rawHex(transaction));
  });

  it('comes back finalised by the last signer', () => {
    const psbt = Psbt.fromBase64(all[0]!);
    for (const other of all.slice(1)) psbt.combine(Psbt.fromBase64(other));
    const finalised = psbt.finalizeAllInputs().toBase64();
    const progress = unwrap(collectSignatures(plan, [finalised]));
    expect(progress.transaction?.txid).toBe(prepared.txid);
    expect(unwrap(finalisePsbt(plan, [progress.combined])).txid).toBe(prepared.txid);
  });

  it('takes as many signatures as spend, should there be more', () => {
    const more = signers.map((keyAt) => signedBy(keyAt));
    expect(unwrap(finalisePsbt(plan, more)).txid).toBe(prepared.txid);
  });

  it('is refused unsigned, partly signed, or as another transaction', () => {
    expect(unwrap(transactionOfPsbt(prepared.base64))).toBe(prepared.unsigned);
    expect(finalisePsbt(plan, [])).toMatchObject({ error: { reason: 'NOT_SIGNED' } });
    expect(finalisePsbt(plan, [prepared.base64])).toMatchObject({ error: { reason: 'NOT_SIGNED' } });
    const [first] = signers;
    const partly = signPsbt(prepared.base64, first!, { only: [0] });
    expect(finalisePsbt(plan, [partly])).toMatchObject({ error: { reason: 'NOT_SIGNED' } });
    expect(unwrap(collectSignatures(plan, [partly])).missing).toBe(2 * required - 1);
    const dearer = {
      ...plan,
      outputs: plan.outputs.map((each) => ({ ...each, valueSats: sats(each.valueSats - 1n) })),
    };
    expect(finalisePsbt(dearer, all)).toMatchObject({ error: { reason: 'OTHER_TRANSACTION' } });
    const redirected = {
      ...plan,
      outputs: [{ script: `5120${'01'.repeat(32)}` as ScriptHex, valueSats: sats(1_000n) }],
    };
    expect(finalisePsbt(redirected, all)).toMatchObject({ error: { reason: 'OTHER_TRANSACTION' } });
  });

  it('is refused when it was signed for another amount, with another sighash, or by a foreign key', () => {
    const lied = plan.inputs.map((input) => ({ ...input, valueSats: sats(input.valueSats + 1n) }));
    expect(finalisePsbt({ ...plan, inputs: lied }, all)).toMatchObject({
      error: { reason: 'INVALID_SIGNATURE', inputIndex: 0 },
    });
    for (const sighash of [2, 3, 0x81])
      expect(finalisePsbt(plan, [signedBy(signers[0]!, sighash)])).toMatchObject({
        error: { reason: 'WRONG_SIGHASH' },
      });
    const foreign = forgePsbt(prepared.base64, MASTER.account('wpkh', 9).signingKey(0, 0));
    const reason = type === 'tr' ? 'INVALID_SIGNATURE' : 'FOREIGN_SIGNATURE';
    expect(finalisePsbt(plan, [foreign])).toMatchObject({ error: { reason, inputIndex: 0 } });
    expect(finalisePsbt(plan, [otherPsbt(all[0]!)])).toMatchObject({ error: { reason: 'OTHER_TRANSACTION' } });
  });

  it('is refused where it isn’t a PSBT, or there are too many', () => {
    for (const text of ['', 'cHNidP8=', '!', prepared.unsigned, all[0]!.slice(4)])
      for (const read of [finalisePsbt(plan, [text]), transactionOfPsbt(text)])
        expect(read).toMatchObject({ error: { reason: 'MALFORMED_PSBT' } });
    const many = Array<string>(21).fill(all[0]!);
    expect(finalisePsbt(plan, many)).toMatchObject({ error: { reason: 'TOO_MANY_PSBTS' } });
  });

  it('takes along the transaction that made a coin, where it is given', () => {
    const parent = new Transaction();
    parent.version = 2;
    parent.addInput(new Uint8Array(32).fill(9), 0);
    parent.addOutput(bytesFromHex(plan.inputs[0]!.script), plan.inputs[0]!.valueSats);
    const outpoint = { txid: parent.getId() as Txid, vout: 0 };
    const [first, ...others] = plan.inputs;
    const known = { ...first!, outpoint, previousTransaction: parent.toHex() };
    const psbt = Psbt.fromBase64(unwrap(preparePsbt({ ...plan, inputs: [known, ...others] })).base64);
    expect(psbt.data.inputs.map(({ nonWitnessUtxo }) => nonWitnessUtxo !== undefined)).toEqual([true, false]);
  });
});

it('a pkh wallet can be paid to and can’t pay', () => {
  const plan = planOf(singleKey('pkh').descriptor);
  expect(preparePsbt(plan)).toMatchObject({ ok: false, error: { reason: 'CANNOT_PAY', inputIndex: 0 } });
  expect(collectSignatures(plan, [])).toMatchObject({ error: { reason: 'CANNOT_PAY' } });
});

describe('BIP174 and BIP371', () => {
  const plan = planOf(singleKey('wpkh').descriptor);

  it.each([...bip174.invalid, ...bip371.invalid])('invalid: $case', ({ psbt }) => {
    expect(finalisePsbt(plan, [psbt])).toMatchObject({ ok: false, error: { reason: 'MALFORMED_PSBT' } });
  });

  it.each([...bip174.valid, ...bip371.valid])('valid, of another transaction: $case', ({ psbt }) => {
    expect(finalisePsbt(plan, [psbt])).toMatchObject({ ok: false, error: { reason: 'OTHER_TRANSACTION' } });
  });

  it.each(bip371.valid)('key path signature of: $case', ({ psbt, case: what }) => {
    const { data } = Psbt.fromBase64(psbt);
    const fields = data.inputs[0]!;
    const { script, value } = fields.witnessUtxo!;
    const derived: DerivedScript = {
      script: hexFromBytes(script) as ScriptHex,
      address: '',
      publicKeys: [`02${hexFromBytes(fields.tapInternalKey ?? new Uint8Array(32))}`],
    };
    const unsigned = unwrap(parseTransaction(data.globalMap.unsignedTx.toBuffer()));
    const sighashes = new Sighashes(unsigned, [{ script: derived.script, valueSats: sats(value) }]);
    const input = { derived, scriptType: 'tr', required: 1, partial: new Map<string, Uint8Array>() } as const;
    expect(readSignatures(fields, input, sighashes, 0)).toBeUndefined();
    expect(input.partial.size).toBe(what.includes('key only') && what.includes('signature') ? 1 : 0);
  });
});

function planOf(descriptor: Descriptor): PsbtPlan {
  const inputs = [250_000n, 120_000n].map((value, index) => ({
    outpoint: { txid: `${index}f`.repeat(32) as Txid, vout: index },
    valueSats: sats(value),
    script: deriveScript(descriptor, 0, index).script,
    place: { descriptor, branch: 0 as const, index },
  }));
  const place = { descriptor, branch: 1 as const, index: 5 };
  const change = { script: deriveScript(descriptor, 1, 5).script, valueSats: sats(69_000n), place };
  return { inputs, outputs: [{ script: PAYEE, valueSats: sats(300_000n) }, change], locktime: 812_345 };
}
