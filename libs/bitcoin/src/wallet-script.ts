import { assert } from '@finality/kernel';
import { crypto } from 'bitcoinjs-lib';
import { isMultisig, type MultisigScriptType, type SingleKeyScriptType, type WalletScriptType } from './address.ts';
import { ecc } from './ecc.ts';
import { sha256 } from './hashing.ts';
import { bytesFromHex, hexFromBytes } from './hex.ts';
import type { ScriptHex } from './ids.ts';
import { taprootOutputKey } from './taproot.ts';

/** A scriptPubKey and the scripts behind its hash, which whoever spends from it has to show. */
export interface WalletScripts {
  readonly script: ScriptHex;
  /** P2SH (BIP16): what scriptSig pushes; with segwit inside it is all that scriptSig has. */
  readonly redeemScript?: ScriptHex;
  /** P2WSH (BIP141): the last item of the witness. */
  readonly witnessScript?: ScriptHex;
}

/** Keys that one multisig script may have. BIP383 allows 20 in sh(wsh()) as well; 15 is what sh() takes, and all that is wanted here. */
export const MULTISIG_KEYS_MAX: Readonly<Record<MultisigScriptType, number>> = {
  'wsh-sortedmulti': 20,
  'sh-wsh-sortedmulti': 15,
};

/** The scripts of compressed public keys, `required` of which spend. Keys that don't fit the type are a bug. */
export function scriptsOf(
  scriptType: WalletScriptType,
  required: number,
  publicKeys: readonly Uint8Array[],
): WalletScripts {
  if (!isMultisig(scriptType)) {
    const [publicKey, ...more] = publicKeys;
    assert(publicKey && more.length === 0 && required === 1, `${scriptType} has one key`);
    return singleKeyScripts(scriptType, publicKey);
  }
  const count = publicKeys.length;
  assert(required >= 1 && required <= count && count <= MULTISIG_KEYS_MAX[scriptType], `${required} of ${count} keys`);
  const witnessScript = multisigScript(required, sortedKeys(publicKeys));
  const program = `0020${hexFromBytes(sha256(bytesFromHex(witnessScript)))}` as ScriptHex;
  if (scriptType === 'wsh-sortedmulti') return { script: program, witnessScript };
  return { script: p2sh(program), redeemScript: program, witnessScript };
}

/** The scriptPubKey of a compressed public key in a wallet of this type. */
export function scriptOf(scriptType: SingleKeyScriptType, publicKey: Uint8Array): ScriptHex {
  return singleKeyScripts(scriptType, publicKey).script;
}

/** Keys in the order that a sorted multisig script has them (BIP67). */
export function sortedKeys(publicKeys: readonly Uint8Array[]): readonly Uint8Array[] {
  return publicKeys.toSorted((a, b) => Buffer.compare(a, b));
}

/** `k KEY… n OP_CHECKMULTISIG` of keys in the given order (BIP383). */
export function multisigScript(required: number, publicKeys: readonly Uint8Array[]): ScriptHex {
  const keys = publicKeys.map((key) => `21${hexFromBytes(key)}`).join('');
  return `${smallNumber(required)}${keys}${smallNumber(publicKeys.length)}ae` as ScriptHex;
}

export interface MultisigParts {
  readonly required: number;
  /** In the order of the script. */
  readonly publicKeys: readonly Uint8Array[];
}

/** The inverse of {@link multisigScript}: undefined for other scripts, and other spellings of this one. */
export function parseMultisigScript(script: ScriptHex): MultisigParts | undefined {
  const keys = /^(?:5[1-9a-f]|60|01[0-9a-f]{2})((?:210[23][0-9a-f]{64}){1,20})(?:5[1-9a-f]|60|01[0-9a-f]{2})ae$/.exec(
    script,
  )?.[1];
  if (keys === undefined) return undefined;
  const publicKeys = keys.match(/.{68}/g)!.map((push) => bytesFromHex(push.slice(2)));
  const required = script.startsWith('01')
    ? Number.parseInt(script.slice(2, 4), 16)
    : Number.parseInt(script.slice(0, 2), 16) - 0x50;
  const isSpelledSo = required <= publicKeys.length && multisigScript(required, publicKeys) === script;
  return isSpelledSo && publicKeys.every((key) => ecc.isPoint(key)) ? { required, publicKeys } : undefined;
}

function singleKeyScripts(scriptType: SingleKeyScriptType, publicKey: Uint8Array): WalletScripts {
  if (scriptType === 'tr') {
    return { script: `5120${hexFromBytes(taprootOutputKey(publicKey.subarray(1)))}` as ScriptHex };
  }
  const hash = hexFromBytes(crypto.hash160(publicKey));
  if (scriptType === 'pkh') return { script: `76a914${hash}88ac` as ScriptHex };
  const program = `0014${hash}` as ScriptHex;
  return scriptType === 'wpkh' ? { script: program } : { script: p2sh(program), redeemScript: program };
}

function p2sh(redeemScript: ScriptHex): ScriptHex {
  return `a914${hexFromBytes(crypto.hash160(bytesFromHex(redeemScript)))}87` as ScriptHex;
}

/** OP_1 to OP_16; more is pushed as a byte. */
function smallNumber(value: number): string {
  return value <= 16 ? hexFromBytes(Uint8Array.of(0x50 + value)) : hexFromBytes(Uint8Array.of(1, value));
}
