import {
  bytesFromHex,
  hexFromBytes,
  type ParsedTransaction,
  parseMultisigScript,
  type Prevout,
  type ScriptHex,
  scriptTypeOf,
  verifySignatures,
} from '@finality/bitcoin';
import { sats } from '@finality/kernel';
import { crypto, script as codec, Transaction } from 'bitcoinjs-lib';
import * as ecc from 'tiny-secp256k1';
import type { Coin } from './consensus.ts';

const PUBKEY_BYTES = 33;
const SCHNORR_BYTES = 64;
const ANNEX_PREFIX = 0x50;
const SIGHASH_BASE_MASK = 0x1f;
const SLOW_INPUTS_MAX = 100;

/**
 * Checks that every input is signed for the output it spends: P2WPKH and k of n keys in P2WSH (BIP143, with BIP66 and low S), each in P2SH too,
 * and P2TR by its key (BIP341), with any hash type. Returns what is wrong, or `undefined`. Outputs of other kinds can be made but not spent here, which it says.
 * bitcoinjs-lib hashes here, so that what `@finality/bitcoin` signs is checked by other code than its own; but not where its
 * time, which grows with the square of the inputs, would be felt.
 */
export function scriptFault(transaction: ParsedTransaction, coins: readonly Coin[]): string | undefined {
  if (coins.length > SLOW_INPUTS_MAX && verifySignatures(transaction.raw, prevoutsOf(coins)).ok) return undefined;
  for (const fault of inputFaults(transaction, coins)) if (fault !== undefined) return fault;
  return undefined;
}

/** What is wrong with each input, in order. */
export function* inputFaults(transaction: ParsedTransaction, coins: readonly Coin[]): Generator<string | undefined> {
  const signed = Transaction.fromBuffer(transaction.raw);
  for (const i of coins.keys()) yield inputFault(transaction, signed, coins, i);
}

const prevoutsOf = (coins: readonly Coin[]): readonly Prevout[] =>
  coins.map(({ script, valueSats }) => ({ script, valueSats: sats(valueSats) }));

function inputFault(
  transaction: ParsedTransaction,
  signed: Transaction,
  coins: readonly Coin[],
  i: number,
): string | undefined {
  const { scriptSig } = transaction.inputs[i]!;
  const coin = coins[i]!;
  if (scriptTypeOf(coin.script) === 'p2sh') {
    const [redeem, ...more] = codec.decompile(scriptSig) ?? [];
    if (!(redeem instanceof Uint8Array) || more.length > 0) return 'Witness requires only-redeemscript scriptSig';
    if (`a914${hexFromBytes(crypto.hash160(redeem))}87` !== coin.script)
      return 'Script evaluated without error but finished with a false/empty top stack element';
    return programFault(transaction, signed, { ...coin, script: hexFromBytes(redeem) as ScriptHex }, i);
  }
  const isLegacy = !['p2wpkh', 'p2wsh', 'p2tr'].includes(scriptTypeOf(coin.script));
  if (scriptSig.length > 0 && !isLegacy) return 'Witness requires empty scriptSig';
  if (scriptTypeOf(coin.script) === 'p2tr') return taprootFault(transaction, signed, coins, i);
  return programFault(transaction, signed, coin, i);
}

function programFault(transaction: ParsedTransaction, signed: Transaction, coin: Coin, i: number): string | undefined {
  const type = scriptTypeOf(coin.script);
  if (type === 'p2wpkh') return witnessKeyHashFault(transaction, signed, coin, i);
  if (type === 'p2wsh') return multisigFault(transaction, signed, coin, i);
  return `The simulator can't check how ${type} outputs are spent`;
}

/** OP_CHECKMULTISIG takes as many signatures as it asks for, in the order of their keys, and one item that is empty. */
function multisigFault(transaction: ParsedTransaction, signed: Transaction, coin: Coin, i: number): string | undefined {
  const { witness } = transaction.inputs[i]!;
  const script = witness.at(-1);
  if (script === undefined) return 'Witness program was passed an empty witness';
  if (`0020${hexFromBytes(crypto.sha256(script))}` !== coin.script) return 'Witness program hash mismatch';
  const multisig = parseMultisigScript(hexFromBytes(script) as ScriptHex);
  if (multisig === undefined) return "The simulator can't check how witness scripts other than k of n keys are spent";
  const [empty, ...encoded] = witness.slice(0, -1);
  if (empty === undefined || encoded.length !== multisig.required)
    return 'Stack size must be exactly one after execution';
  if (empty.length > 0) return 'Dummy CHECKMULTISIG argument must be zero';
  let next = 0;
  for (const publicKey of multisig.publicKeys) {
    if (next === encoded.length) break;
    const signature = decodeSignature(encoded[next]!);
    if (signature === undefined) return 'Non-canonical DER signature';
    const hash = signed.hashForWitnessV0(i, script, coin.valueSats, signature.hashType);
    if (ecc.verify(hash, publicKey, signature.signature, true)) next += 1;
  }
  return next === encoded.length ? undefined : 'Signature must be zero for failed CHECK(MULTI)SIG operation';
}

function witnessKeyHashFault(
  transaction: ParsedTransaction,
  signed: Transaction,
  coin: Coin,
  i: number,
): string | undefined {
  const { witness } = transaction.inputs[i]!;
  const [encoded, publicKey] = witness;
  if (witness.length !== 2 || encoded === undefined || publicKey === undefined) return 'Witness program hash mismatch';
  const program = bytesFromHex(coin.script.slice(4));
  if (publicKey.length !== PUBKEY_BYTES || !ecc.isPointCompressed(publicKey))
    return 'Using non-compressed keys in segwit';
  if (Buffer.compare(crypto.hash160(publicKey), program) !== 0) return 'Witness program hash mismatch';
  const signature = decodeSignature(encoded);
  if (signature === undefined) return 'Non-canonical DER signature';
  const keyHashScript = bytesFromHex(`76a914${coin.script.slice(4)}88ac`);
  const hash = signed.hashForWitnessV0(i, keyHashScript, coin.valueSats, signature.hashType);
  // Strict: high S is refused, as every node's mempool does.
  return ecc.verify(hash, publicKey, signature.signature, true)
    ? undefined
    : 'Signature must be zero for failed CHECK(MULTI)SIG operation';
}

function decodeSignature(
  encoded: Uint8Array,
): { readonly signature: Uint8Array; readonly hashType: number } | undefined {
  try {
    return codec.signature.decode(encoded);
  } catch {
    return undefined;
  }
}

function taprootFault(
  transaction: ParsedTransaction,
  signed: Transaction,
  coins: readonly Coin[],
  i: number,
): string | undefined {
  const { witness } = transaction.inputs[i]!;
  const [signature] = witness;
  if (signature === undefined) return 'Witness program was passed an empty witness';
  if (witness.length > 1) {
    const annex = witness.at(-1)![0] === ANNEX_PREFIX;
    return annex ? 'The simulator takes no annex' : "The simulator can't check how taproot scripts are spent";
  }
  const hashType = signature.length === SCHNORR_BYTES ? Transaction.SIGHASH_DEFAULT : signature[SCHNORR_BYTES];
  if (hashType === undefined || signature.length > SCHNORR_BYTES + 1) return 'Invalid Schnorr signature size';
  if (signature.length > SCHNORR_BYTES && !taprootHashTypes.has(hashType)) return 'Invalid Schnorr signature hash type';
  const single = (hashType & SIGHASH_BASE_MASK) === Transaction.SIGHASH_SINGLE;
  if (single && i >= transaction.outputs.length) return 'Invalid Schnorr signature hash type';
  const scripts = coins.map((coin) => bytesFromHex(coin.script));
  const values = coins.map((coin) => coin.valueSats);
  const hash = signed.hashForWitnessV1(i, scripts, values, hashType);
  const key = scripts[i]!.subarray(2);
  const valid = ecc.isXOnlyPoint(key) && ecc.verifySchnorr(hash, key, signature.subarray(0, SCHNORR_BYTES));
  return valid ? undefined : 'Invalid Schnorr signature';
}

/** BIP341: 0x00 is never written out, so it isn't among them. */
const taprootHashTypes: ReadonlySet<number> = new Set([0x01, 0x02, 0x03, 0x81, 0x82, 0x83]);
