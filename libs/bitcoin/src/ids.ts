import { type Brand, err, ok, type Result } from '@finality/kernel';
import { type Fault, fault } from './fault.ts';
import { isHex } from './hex.ts';

/** Transaction id: 64 lower-case hex digits, in display order (as explorers and nodes print it). */
export type Txid = Brand<string, 'Txid'>;

/** Block hash: 64 lower-case hex digits, in display order. */
export type BlockHash = Brand<string, 'BlockHash'>;

/** A scriptPubKey as lower-case hex. */
export type ScriptHex = Brand<string, 'ScriptHex'>;

/** An output of a transaction, by its place. */
export interface Outpoint {
  readonly txid: Txid;
  readonly vout: number;
}

/** `txid:vout`: an outpoint as one string, for maps, keys and columns. */
export type OutpointKey = Brand<string, 'OutpointKey'>;

export type IdFault = Fault<'INVALID_TXID' | 'INVALID_BLOCK_HASH' | 'INVALID_SCRIPT' | 'INVALID_OUTPOINT'>;

/** No output of a block can be longer: its bytes weigh 4 of the 4,000,000 WU each. */
const SCRIPT_BYTES_MAX = 1_000_000;
const VOUT_MAX = 0xffff_fffe;
const HASH = /^[0-9a-f]{64}$/;

export const isTxid = (text: string): text is Txid => HASH.test(text);

export function parseTxid(text: string): Result<Txid, IdFault> {
  if (isTxid(text)) return ok(text);
  return err(fault('INVALID_TXID', `expected 64 lower-case hex digits, got ${quote(text)}`));
}

export function parseBlockHash(text: string): Result<BlockHash, IdFault> {
  if (HASH.test(text)) return ok(text as BlockHash);
  return err(fault('INVALID_BLOCK_HASH', `expected 64 lower-case hex digits, got ${quote(text)}`));
}

export function parseScriptHex(text: string): Result<ScriptHex, IdFault> {
  if (isHex(text) && text.length <= 2 * SCRIPT_BYTES_MAX) return ok(text.toLowerCase() as ScriptHex);
  return err(fault('INVALID_SCRIPT', `expected whole bytes of hex, got ${quote(text)}`));
}

export const outpointKey = (outpoint: Outpoint): OutpointKey => `${outpoint.txid}:${outpoint.vout}` as OutpointKey;

/** The inverse of {@link outpointKey}; only its exact form is accepted, so that a key has one spelling. */
export function parseOutpointKey(text: string): Result<Outpoint, IdFault> {
  const match = /^([0-9a-f]{64}):(0|[1-9][0-9]{0,9})$/.exec(text);
  const vout = Number(match?.[2]);
  if (!match || vout > VOUT_MAX) return err(fault('INVALID_OUTPOINT', `expected <txid>:<vout>, got ${quote(text)}`));
  return ok({ txid: match[1] as Txid, vout });
}

const QUOTE_LENGTH_MAX = 100;

const quote = (text: string): string =>
  JSON.stringify(text.length > QUOTE_LENGTH_MAX ? `${text.slice(0, QUOTE_LENGTH_MAX)}…` : text);
