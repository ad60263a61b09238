import { MAX_MONEY_SATS, unwrap } from '@finality/kernel';
import { Transaction } from 'bitcoinjs-lib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hexFromBytes } from './hex.ts';
import { parseTransaction, rawHex } from './transaction.ts';
import bip143 from './vectors/bip143.json' with { type: 'json' };
import bip341 from './vectors/bip341.json' with { type: 'json' };

const [spending] = bip341.keyPathSpending;
const INPUT = `${'11'.repeat(32)}0000000000ffffffff`;
const OUTPUT = `e80300000000000016${`0014${'22'.repeat(20)}`}`;
const SIMPLE = `0200000001${INPUT}01${OUTPUT}00000000`;

describe('transactions', () => {
  it.each([
    ['BIP143, signed', bip143.signed],
    ['BIP143, unsigned', bip143.unsigned],
    ['BIP341, signed', spending!.auxiliary.fullySignedTx],
    ['BIP341, unsigned', spending!.given.rawUnsignedTx],
    ['a simple one', SIMPLE],
  ])('%s: as bitcoinjs-lib has it', (_what, raw) => {
    const parsed = unwrap(parseTransaction(raw));
    const other = Transaction.fromHex(raw);
    expect(parsed.txid).toBe(other.getId());
    expect(parsed.wtxid).toBe(hexFromBytes(other.getHash(other.hasWitnesses()).toReversed()));
    expect(parsed.weight).toBe(other.weight());
    expect(parsed.vsize).toBe(other.virtualSize());
    expect(parsed.version).toBe(other.version);
    expect(parsed.locktime).toBe(other.locktime);
    expect(parsed.isCoinbase).toBe(false);
    expect(parsed.inputs.map((input) => input.sequence)).toEqual(other.ins.map((input) => input.sequence));
    expect(parsed.inputs.map((input) => input.outpoint.vout)).toEqual(other.ins.map((input) => input.index));
    expect(parsed.inputs.map((input) => input.witness.length)).toEqual(other.ins.map((input) => input.witness.length));
    expect(parsed.outputs.map((output) => output.valueSats)).toEqual(other.outs.map((output) => output.value));
    expect(parsed.outputs.map((output) => output.script)).toEqual(
      other.outs.map((output) => hexFromBytes(output.script)),
    );
    expect(rawHex(parsed)).toBe(raw);
  });

  it('takes amounts from the bytes, exactly', () => {
    const value = 2n ** 50n + 1n;
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    const parsed = unwrap(parseTransaction(SIMPLE.replace('e803000000000000', bytes.toString('hex'))));
    expect(parsed.outputs[0]!.valueSats).toBe(value);
  });

  it('sees a coinbase', () => {
    const coinbase = `01000000010${'0'.repeat(63)}ffffffff0451020304ffffffff01${OUTPUT}00000000`;
    expect(unwrap(parseTransaction(coinbase)).isCoinbase).toBe(true);
    expect(parseTransaction(coinbase.replace('0451020304', '0151')).ok).toBe(false);
  });

  it.each([
    ['nothing', ''],
    ['half a byte', SIMPLE.slice(1)],
    ['something after the end', `${SIMPLE}00`],
    ['no inputs', `02000000000001${OUTPUT}00000000`],
    ['no outputs', `0200000001${INPUT}0000000000`],
    ['the marker without a witness', `02000000000101${INPUT}01${OUTPUT}0000000000`],
    ['another witness flag', `02000000000201${INPUT}01${OUTPUT}010100000000`],
    ['a count that is not the shortest', `02000000fd0100${INPUT}01${OUTPUT}00000000`],
    ['a count beyond the bytes', `02000000feffffff7f${INPUT}01${OUTPUT}00000000`],
    ['a 64-bit count', `02000000ff0100000000000000${INPUT}01${OUTPUT}00000000`],
    ['an input twice', `0200000002${INPUT}${INPUT}01${OUTPUT}00000000`],
    ['the null outpoint beside others', `0200000002${INPUT}${'00'.repeat(32)}ffffffff00ffffffff01${OUTPUT}00000000`],
    ['more than 21 million bitcoin', SIMPLE.replace('e803000000000000', '0140075af0750700')],
    ['more in sum', `0200000001${INPUT}02${OUTPUT.replace('e803000000000000', '0040075af0750700')}${OUTPUT}00000000`],
    ['a negative amount', SIMPLE.replace('e803000000000000', 'ff'.repeat(8))],
  ])('refuses %s', (_what, raw) => {
    expect(parseTransaction(raw)).toMatchObject({ ok: false, error: { reason: 'MALFORMED_TRANSACTION' } });
  });

  it('allows exactly 21 million bitcoin', () => {
    const parsed = unwrap(parseTransaction(SIMPLE.replace('e803000000000000', '0040075af0750700')));
    expect(parsed.outputs[0]!.valueSats).toBe(MAX_MONEY_SATS);
  });

  it('never throws, whatever the bytes, and never accepts two spellings of one transaction', () => {
    const signed = Buffer.from(bip143.signed, 'hex');
    fc.assert(
      fc.property(fc.nat({ max: signed.length - 1 }), fc.nat({ max: 255 }), (at, value) => {
        const bytes = Uint8Array.from(signed);
        bytes[at] = value;
        const parsed = parseTransaction(bytes);
        if (parsed.ok) expect(hexFromBytes(Transaction.fromBuffer(bytes).toBuffer())).toBe(hexFromBytes(bytes));
      }),
    );
    for (let length = 0; length < signed.length; length++)
      expect(parseTransaction(signed.subarray(0, length)).ok).toBe(false);
  });
});
