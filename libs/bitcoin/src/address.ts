import { err, ok, type Result, type Sats } from '@finality/kernel';
import { address as codec } from 'bitcoinjs-lib';
import { type Fault, fault } from './fault.ts';
import { bytesFromHex, hexFromBytes } from './hex.ts';
import type { ScriptHex } from './ids.ts';
import { type Network, NETWORKS, networkParams } from './network.ts';

/** Kinds of scriptPubKey. `anchor` is pay-to-anchor (51024e73), `witness_unknown` a segwit version without a meaning yet. */
export type ScriptType =
  'p2pkh' | 'p2sh' | 'p2wpkh' | 'p2wsh' | 'p2tr' | 'anchor' | 'witness_unknown' | 'nulldata' | 'nonstandard';

/** The kinds of script that wallets of this platform have, named as their descriptors are. */
export type WalletScriptType = 'pkh' | 'sh-wpkh' | 'wpkh' | 'tr' | 'wsh-sortedmulti' | 'sh-wsh-sortedmulti';

/** Those of k of n keys (BIP383). */
export type MultisigScriptType = 'wsh-sortedmulti' | 'sh-wsh-sortedmulti';

export type SingleKeyScriptType = Exclude<WalletScriptType, MultisigScriptType>;

/** Those of wallets whose keys are the signer's. */
export type CustodialScriptType = 'wpkh' | 'tr';

export const isMultisig = (type: WalletScriptType): type is MultisigScriptType => type.endsWith('-sortedmulti');

export type AddressFault = Fault<'INVALID_ADDRESS' | 'WRONG_NETWORK'>;

export function scriptTypeOf(script: ScriptHex): ScriptType {
  if (/^76a914[0-9a-f]{40}88ac$/.test(script)) return 'p2pkh';
  if (/^a914[0-9a-f]{40}87$/.test(script)) return 'p2sh';
  if (/^0014[0-9a-f]{40}$/.test(script)) return 'p2wpkh';
  if (/^0020[0-9a-f]{64}$/.test(script)) return 'p2wsh';
  if (/^5120[0-9a-f]{64}$/.test(script)) return 'p2tr';
  if (script === '51024e73') return 'anchor';
  if (script.startsWith('6a')) return 'nulldata';
  return witnessProgramOf(script) ? 'witness_unknown' : 'nonstandard';
}

/** `wpkh` or `tr`; undefined for scripts that say nothing of how they are spent, or that no custodial wallet has. */
export function walletScriptTypeOf(script: ScriptHex): CustodialScriptType | undefined {
  const type = scriptTypeOf(script);
  if (type === 'p2wpkh') return 'wpkh';
  return type === 'p2tr' ? 'tr' : undefined;
}

/**
 * The smallest amount that nodes relay to this script, at Bitcoin Core's dust feerate of 3 sat/vB. 0 for `nulldata`, and for `anchor`,
 * which may also have 240.
 */
export function dustLimitSats(script: ScriptHex): Sats {
  switch (scriptTypeOf(script)) {
    case 'nulldata':
    case 'anchor':
      return 0n as Sats;
    case 'p2wpkh':
    case 'p2wsh':
    case 'p2tr':
    case 'witness_unknown':
      // Output, and 67 vbytes to spend it: 294 for P2WPKH, 330 for P2WSH and P2TR.
      return (3n * BigInt(9 + script.length / 2 + 67)) as Sats;
    default:
      // Output, and 148 bytes to spend it: 546 for P2PKH, 540 for P2SH.
      return (3n * BigInt(9 + script.length / 2 + 148)) as Sats;
  }
}

/** The address of a script, or undefined for those that have none (`nulldata`, `nonstandard`). */
export function addressOf(script: ScriptHex, network: Network): string | undefined {
  const params = networkParams(network);
  const type = scriptTypeOf(script);
  if (type === 'p2pkh') return codec.toBase58Check(bytesFromHex(script.slice(6, 46)), params.p2pkhVersion);
  if (type === 'p2sh') return codec.toBase58Check(bytesFromHex(script.slice(4, 44)), params.p2shVersion);
  const program = witnessProgramOf(script);
  return program && codec.toBech32(program.program, program.version, params.bech32Hrp);
}

/**
 * The script that an address pays (base58check, BIP173, BIP350). An address of another network is told from one that is none; testnet4
 * and signet can't be told apart.
 */
export function parseAddress(text: string, network: Network): Result<ScriptHex, AddressFault> {
  const script = decode(text, network);
  if (script !== undefined) return ok(script);
  const other = NETWORKS.find((candidate) => decode(text, candidate) !== undefined);
  if (other) return err(fault('WRONG_NETWORK', `expected an address of ${network}, got one of ${other}`));
  return err(
    fault(
      'INVALID_ADDRESS',
      `expected an address of ${network}, got ${JSON.stringify(text.slice(0, TEXT_LENGTH_MAX))}`,
    ),
  );
}

const TEXT_LENGTH_MAX = 100;

function decode(text: string, network: Network): ScriptHex | undefined {
  if (text.length > TEXT_LENGTH_MAX) return undefined;
  const params = networkParams(network);
  return text.toLowerCase().startsWith(`${params.bech32Hrp}1`)
    ? decodeBech32(text, params.bech32Hrp)
    : decodeBase58(text, network);
}

function decodeBase58(text: string, network: Network): ScriptHex | undefined {
  const params = networkParams(network);
  try {
    const { version, hash } = codec.fromBase58Check(text);
    if (version === params.p2pkhVersion) return `76a914${hexFromBytes(hash)}88ac` as ScriptHex;
    if (version === params.p2shVersion) return `a914${hexFromBytes(hash)}87` as ScriptHex;
  } catch {
    // Not base58check.
  }
  return undefined;
}

function decodeBech32(text: string, hrp: string): ScriptHex | undefined {
  try {
    const { version, prefix, data } = codec.fromBech32(text);
    const fits =
      version === 0 ? data.length === 20 || data.length === 32 : version <= 16 && data.length >= 2 && data.length <= 40;
    if (prefix !== hrp || !fits) return undefined;
    const opcode = version === 0 ? 0 : 0x50 + version;
    return hexFromBytes(Uint8Array.of(opcode, data.length, ...data)) as ScriptHex;
  } catch {
    return undefined;
  }
}

/** BIP141: a version opcode and one push of 2 to 40 bytes; version 0 has 20 or 32. */
function witnessProgramOf(script: ScriptHex): { readonly version: number; readonly program: Uint8Array } | undefined {
  const match = /^(00|5[1-9a-f]|60)([0-9a-f]{2})([0-9a-f]{4,80})$/.exec(script);
  if (!match) return undefined;
  const opcode = Number.parseInt(match[1]!, 16);
  const length = Number.parseInt(match[2]!, 16);
  const version = opcode === 0 ? 0 : opcode - 0x50;
  if (match[3]!.length !== 2 * length || (version === 0 && length !== 20 && length !== 32)) return undefined;
  return { version, program: bytesFromHex(match[3]!) };
}
