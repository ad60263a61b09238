import { err, MAX_MONEY_SATS, ok, type Result, type Sats } from '@finality/kernel';
import { type Fault, fault } from './fault.ts';
import { sha256d } from './hashing.ts';
import { bytesFromHex, hexFromBytes, isHex, reversedHex } from './hex.ts';
import type { Outpoint, ScriptHex, Txid } from './ids.ts';
import { compactSizeLength, Malformed, Reader } from './reader.ts';

export interface TransactionInput {
  readonly outpoint: Outpoint;
  readonly scriptSig: Uint8Array;
  readonly sequence: number;
  readonly witness: readonly Uint8Array[];
}

export interface TransactionOutput {
  readonly valueSats: Sats;
  readonly script: ScriptHex;
}

/** What an input spends. */
export type Prevout = TransactionOutput;

export interface ParsedTransaction {
  readonly txid: Txid;
  /** Hash over the witness as well (BIP141), in display order; equals `txid` where there is none. */
  readonly wtxid: string;
  readonly version: number;
  readonly locktime: number;
  readonly inputs: readonly TransactionInput[];
  readonly outputs: readonly TransactionOutput[];
  readonly isCoinbase: boolean;
  readonly hasWitness: boolean;
  /** BIP141 weight units. */
  readonly weight: number;
  /** Virtual bytes: weight / 4, rounded up. */
  readonly vsize: number;
  /** The transaction as it was given; a view into the given bytes. */
  readonly raw: Uint8Array;
}

export type TransactionFault = Fault<'MALFORMED_TRANSACTION'>;

const NULL_TXID = '0'.repeat(64);
const NULL_VOUT = 0xffff_ffff;
const COINBASE_SCRIPT_BYTES_MIN = 2;
const COINBASE_SCRIPT_BYTES_MAX = 100;
const INPUT_BYTES_MIN = 41;
const OUTPUT_BYTES_MIN = 9;

/**
 * Parses one serialized transaction (BIP144), given as hex or bytes, to its last byte. Amounts come from the bytes, exactly. What a node
 * refuses without looking at the chain is refused: no inputs or outputs, amounts above 21 million bitcoin, an input spent twice.
 */
export function parseTransaction(raw: string | Uint8Array): Result<ParsedTransaction, TransactionFault> {
  if (typeof raw === 'string' && !isHex(raw)) return err(fault('MALFORMED_TRANSACTION', 'expected whole bytes of hex'));
  const reader = new Reader(typeof raw === 'string' ? bytesFromHex(raw) : raw);
  try {
    const transaction = readTransaction(reader);
    if (reader.remaining > 0)
      throw new Malformed(`expected the end after ${reader.offset} bytes, got ${reader.remaining} more`);
    return ok(transaction);
  } catch (error) {
    if (error instanceof Malformed) return err(fault('MALFORMED_TRANSACTION', error.message));
    throw error;
  }
}

/** Lower-case hex of a transaction as it was parsed. */
export const rawHex = (transaction: ParsedTransaction): string => hexFromBytes(transaction.raw);

/** Reads the transaction that starts at the reader's offset. Throws {@link Malformed}. */
export function readTransaction(reader: Reader): ParsedTransaction {
  const start = reader.offset;
  const version = reader.u32();
  // An empty input list where inputs belong is BIP144's marker.
  const hasWitness = reader.bytes[reader.offset] === 0;
  if (hasWitness) {
    reader.u8();
    if (reader.u8() !== 1) throw new Malformed('expected witness flag 1');
  }
  const bodyStart = reader.offset;
  const bare = readList(reader, INPUT_BYTES_MIN, 'input', readInput);
  const outputs = readList(reader, OUTPUT_BYTES_MIN, 'output', readOutput);
  const bodyEnd = reader.offset;
  const inputs = hasWitness ? bare.map((input) => ({ ...input, witness: readWitness(reader) })) : bare;
  if (hasWitness && inputs.every((input) => input.witness.length === 0))
    throw new Malformed('expected a witness after the witness flag');
  const locktime = reader.u32();
  checkInputs(inputs);
  checkOutputs(outputs);

  const raw = reader.bytes.subarray(start, reader.offset);
  const stripped = hasWitness ? strip(raw, bodyStart - start, bodyEnd - start) : raw;
  const weight = stripped.length * 3 + raw.length;
  const txid = reversedHex(sha256d(stripped)) as Txid;
  return {
    txid,
    wtxid: hasWitness ? reversedHex(sha256d(raw)) : txid,
    version,
    locktime,
    inputs,
    outputs,
    isCoinbase: inputs.length === 1 && isNull(inputs[0]!.outpoint),
    hasWitness,
    weight,
    vsize: Math.ceil(weight / 4),
    raw,
  };
}

function readList<T>(reader: Reader, bytesMin: number, what: string, read: (reader: Reader) => T): readonly T[] {
  const count = reader.compactSize();
  if (count === 0) throw new Malformed(`expected at least one ${what}`);
  // Before anything is allocated: a count can't promise more than there are bytes for.
  if (count * bytesMin > reader.remaining)
    throw new Malformed(`expected ${count} ${what}s, got ${reader.remaining} bytes`);
  const list: T[] = [];
  for (let i = 0; i < count; i++) list.push(read(reader));
  return list;
}

const NO_WITNESS: readonly Uint8Array[] = [];

function readInput(reader: Reader): TransactionInput {
  const txid = reversedHex(reader.slice(32)) as Txid;
  const vout = reader.u32();
  const scriptSig = reader.varBytes();
  return { outpoint: { txid, vout }, scriptSig, sequence: reader.u32(), witness: NO_WITNESS };
}

function readOutput(reader: Reader): TransactionOutput {
  const value = reader.u64();
  if (value > MAX_MONEY_SATS) throw new Malformed(`expected an amount of at most ${MAX_MONEY_SATS} sat, got ${value}`);
  return { valueSats: value as Sats, script: hexFromBytes(reader.varBytes()) as ScriptHex };
}

function readWitness(reader: Reader): readonly Uint8Array[] {
  const count = reader.compactSize();
  if (count > reader.remaining) throw new Malformed(`expected ${count} witness items, got ${reader.remaining} bytes`);
  const items: Uint8Array[] = [];
  for (let i = 0; i < count; i++) items.push(reader.varBytes());
  return items;
}

const isNull = (outpoint: Outpoint): boolean => outpoint.vout === NULL_VOUT && outpoint.txid === NULL_TXID;

function checkInputs(inputs: readonly TransactionInput[]): void {
  if (inputs.length === 1) {
    const [input] = inputs;
    const length = input!.scriptSig.length;
    if (isNull(input!.outpoint) && (length < COINBASE_SCRIPT_BYTES_MIN || length > COINBASE_SCRIPT_BYTES_MAX)) {
      throw new Malformed(`expected a coinbase script of 2 to 100 bytes, got ${length}`);
    }
    return;
  }
  const seen = new Set<string>();
  for (const { outpoint } of inputs) {
    if (isNull(outpoint)) throw new Malformed('expected the null outpoint in a coinbase only');
    const key = `${outpoint.txid}${outpoint.vout}`;
    if (seen.has(key)) throw new Malformed(`expected each input once, got ${outpoint.txid}:${outpoint.vout} twice`);
    seen.add(key);
  }
}

function checkOutputs(outputs: readonly TransactionOutput[]): void {
  let total = 0n;
  for (const output of outputs) total += output.valueSats;
  if (total > MAX_MONEY_SATS)
    throw new Malformed(`expected outputs of at most ${MAX_MONEY_SATS} sat together, got ${total}`);
}

/** The serialization that the txid is the hash of: version, inputs and outputs, locktime. */
function strip(raw: Uint8Array, bodyStart: number, bodyEnd: number): Uint8Array {
  const stripped = new Uint8Array(4 + bodyEnd - bodyStart + 4);
  stripped.set(raw.subarray(0, 4), 0);
  stripped.set(raw.subarray(bodyStart, bodyEnd), 4);
  stripped.set(raw.subarray(raw.length - 4), stripped.length - 4);
  return stripped;
}

/** Serialized length of an output: value, script length, script. */
export function outputLength(script: ScriptHex): number {
  const length = script.length / 2;
  return 8 + compactSizeLength(length) + length;
}
