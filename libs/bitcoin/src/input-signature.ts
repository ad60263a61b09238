import { crypto, script as bitcoinScript } from 'bitcoinjs-lib';
import { scriptTypeOf } from './address.ts';
import { ecc } from './ecc.ts';
import { type Fault, fault } from './fault.ts';
import { sha256 } from './hashing.ts';
import { bytesFromHex, hexFromBytes } from './hex.ts';
import type { ScriptHex } from './ids.ts';
import { SIGHASH_ALL, SIGHASH_DEFAULT, type Sighashes } from './sighash.ts';
import type { TransactionInput } from './transaction.ts';
import { type MultisigParts, parseMultisigScript, scriptOf } from './wallet-script.ts';

// What satisfies the scripts of wallets. Stricter than consensus on purpose (DESIGN 9): each script has one form in which it is spent.

export type InputFault = Fault<'UNSUPPORTED_SCRIPT' | 'MALFORMED_WITNESS' | 'WRONG_SIGHASH' | 'INVALID_SIGNATURE'>;

type Spent = Pick<TransactionInput, 'scriptSig' | 'witness'>;
type Witness = TransactionInput['witness'];

const PUBLIC_KEY_BYTES = 33;
const SCHNORR_BYTES = 64;

/**
 * Whether an input is rightly signed for the script it spends: P2PKH, P2WPKH and k of n keys in P2WSH, each by itself or (but P2PKH) in P2SH,
 * with SIGHASH_ALL and low S; P2TR by its key with SIGHASH_DEFAULT or SIGHASH_ALL and no annex. Undefined: it is.
 */
export function verifyInput(
  sighashes: Sighashes,
  inputIndex: number,
  script: ScriptHex,
  { scriptSig, witness }: Spent,
): InputFault | undefined {
  const type = scriptTypeOf(script);
  if (type === 'p2pkh') return verifyPkh(sighashes, inputIndex, script, { scriptSig, witness });
  if (type === 'p2sh') return verifyNested(sighashes, inputIndex, script, { scriptSig, witness });
  if (type !== 'p2wpkh' && type !== 'p2wsh' && type !== 'p2tr') return unsupported(script);
  if (scriptSig.length > 0) return fault('MALFORMED_WITNESS', 'expected no scriptSig in a segwit input');
  if (type === 'p2tr') return verifyTaproot(sighashes, inputIndex, script, witness);
  return verifyProgram(sighashes, inputIndex, script, witness);
}

/** A P2WPKH or P2WSH program, whether it is the script itself or the redeem script. */
function verifyProgram(
  sighashes: Sighashes,
  inputIndex: number,
  program: ScriptHex,
  witness: Witness,
): InputFault | undefined {
  if (scriptTypeOf(program) === 'p2wpkh') {
    return verifyKey(program, witness, () => sighashes.wpkh(inputIndex, program), 'wpkh');
  }
  return verifyMultisig(sighashes, inputIndex, program, witness);
}

function verifyPkh(
  sighashes: Sighashes,
  inputIndex: number,
  script: ScriptHex,
  { scriptSig, witness }: Spent,
): InputFault | undefined {
  const pushes = pushesOf(scriptSig);
  if (!pushes || witness.length > 0)
    return fault('MALFORMED_WITNESS', 'expected a signature and a public key in scriptSig, and no witness');
  return verifyKey(script, pushes, () => sighashes.legacy(inputIndex), 'pkh');
}

function verifyNested(
  sighashes: Sighashes,
  inputIndex: number,
  script: ScriptHex,
  { scriptSig, witness }: Spent,
): InputFault | undefined {
  const redeem = bitcoinScript.decompile(scriptSig)?.at(-1);
  if (redeem === undefined || typeof redeem === 'number')
    return fault('MALFORMED_WITNESS', 'expected the redeem script in scriptSig');
  if (`a914${hexFromBytes(crypto.hash160(redeem))}87` !== script)
    return fault('INVALID_SIGNATURE', 'expected the redeem script that the script is the hash of');
  const program = hexFromBytes(redeem) as ScriptHex;
  const type = scriptTypeOf(program);
  if (type !== 'p2wpkh' && type !== 'p2wsh') return unsupported(program);
  if (pushesOf(scriptSig)?.length !== 1)
    return fault('MALFORMED_WITNESS', 'expected the redeem script alone in scriptSig');
  return verifyProgram(sighashes, inputIndex, program, witness);
}

/** Whether a DER signature with its sighash byte is one of this key, with SIGHASH_ALL and low S. Undefined: it is. */
export function verifyEcdsa(publicKey: Uint8Array, hash: Uint8Array, encoded: Uint8Array): InputFault | undefined {
  const signature = decodeSignature(encoded);
  if ('reason' in signature) return signature;
  if (ecc.isPoint(publicKey) && isSignedBy(publicKey, hash, signature.bytes)) return undefined;
  return fault('INVALID_SIGNATURE', 'expected a valid ECDSA signature with low S');
}

/** A signature and the key that hashes to the script. */
function verifyKey(
  script: ScriptHex,
  items: readonly Uint8Array[],
  sighash: () => Uint8Array,
  type: 'pkh' | 'wpkh',
): InputFault | undefined {
  const [encoded, publicKey, ...more] = items;
  if (!encoded || publicKey?.length !== PUBLIC_KEY_BYTES || more.length > 0 || !ecc.isPoint(publicKey))
    return fault('MALFORMED_WITNESS', 'expected a signature and a compressed public key');
  if (scriptOf(type, publicKey) !== script)
    return fault('INVALID_SIGNATURE', 'expected the public key that the script is the hash of');
  return verifyEcdsa(publicKey, sighash(), encoded);
}

/** `OP_0 signature… script`: exactly k signatures, in the order of their keys. */
function verifyMultisig(
  sighashes: Sighashes,
  inputIndex: number,
  program: ScriptHex,
  witness: Witness,
): InputFault | undefined {
  const script = witness.at(-1);
  if (!script) return fault('MALFORMED_WITNESS', 'expected the witness script at the end of the witness');
  if (`0020${hexFromBytes(sha256(script))}` !== program)
    return fault('INVALID_SIGNATURE', 'expected the witness script that the script is the hash of');
  const witnessScript = hexFromBytes(script) as ScriptHex;
  const multisig = parseMultisigScript(witnessScript);
  if (!multisig) return fault('UNSUPPORTED_SCRIPT', 'expected k of n compressed keys as witness script');
  const encoded = witness.slice(1, -1);
  if (witness[0]!.length > 0 || encoded.length !== multisig.required)
    return fault('MALFORMED_WITNESS', `expected an empty item, ${multisig.required} signatures and the witness script`);
  const signatures: Uint8Array[] = [];
  for (const item of encoded) {
    const signature = decodeSignature(item);
    if ('reason' in signature) return signature;
    signatures.push(signature.bytes);
  }
  return verifyInOrder(multisig, sighashes.segwit(inputIndex, witnessScript), signatures);
}

function verifyInOrder(
  { publicKeys }: MultisigParts,
  hash: Uint8Array,
  signatures: readonly Uint8Array[],
): InputFault | undefined {
  let next = 0;
  for (const publicKey of publicKeys) {
    const signature = signatures[next];
    if (signature && isSignedBy(publicKey, hash, signature)) next += 1;
  }
  return next === signatures.length
    ? undefined
    : fault('INVALID_SIGNATURE', 'expected valid ECDSA signatures with low S in the order of their keys');
}

function verifyTaproot(
  sighashes: Sighashes,
  inputIndex: number,
  script: ScriptHex,
  witness: Witness,
): InputFault | undefined {
  const [item, ...more] = witness;
  if (more.length > 0) return fault('UNSUPPORTED_SCRIPT', 'expected a spend by the key path, without annex');
  if (item?.length !== SCHNORR_BYTES && item?.length !== SCHNORR_BYTES + 1)
    return fault('MALFORMED_WITNESS', 'expected one Schnorr signature');
  const explicit = item[SCHNORR_BYTES];
  if (explicit !== undefined && explicit !== SIGHASH_ALL) {
    return fault('WRONG_SIGHASH', `expected SIGHASH_DEFAULT or SIGHASH_ALL, got ${explicit}`);
  }
  const outputKey = bytesFromHex(script.slice(4));
  const hash = sighashes.taproot(inputIndex, explicit ?? SIGHASH_DEFAULT);
  const isValid = ecc.isXOnlyPoint(outputKey) && ecc.verifySchnorr(hash, outputKey, item.subarray(0, SCHNORR_BYTES));
  return isValid ? undefined : fault('INVALID_SIGNATURE', 'expected a valid Schnorr signature');
}

/** Strict DER (BIP66) with its sighash byte, which must be SIGHASH_ALL. */
function decodeSignature(encoded: Uint8Array): { readonly bytes: Uint8Array } | InputFault {
  try {
    const { signature, hashType } = bitcoinScript.signature.decode(encoded);
    if (hashType === SIGHASH_ALL) return { bytes: signature };
    return fault('WRONG_SIGHASH', `expected SIGHASH_ALL, got ${hashType}`);
  } catch {
    return fault('MALFORMED_WITNESS', 'expected a DER signature with its sighash byte (BIP66)');
  }
}

function isSignedBy(publicKey: Uint8Array, hash: Uint8Array, signature: Uint8Array): boolean {
  const strictLowS = true;
  return ecc.verify(hash, publicKey, signature, strictLowS);
}

/** The items of a script that pushes data and nothing else, each minimally; undefined for any other script. */
function pushesOf(script: Uint8Array): readonly Uint8Array[] | undefined {
  const chunks = bitcoinScript.decompile(script);
  if (!chunks?.every((chunk) => typeof chunk !== 'number')) return undefined;
  return Buffer.compare(bitcoinScript.compile(chunks), script) === 0 ? chunks : undefined;
}

function unsupported(script: ScriptHex): InputFault {
  return fault('UNSUPPORTED_SCRIPT', `expected the script of a wallet, got ${scriptTypeOf(script)}`);
}
