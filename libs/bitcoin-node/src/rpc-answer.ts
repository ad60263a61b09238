import {
  type FeeRate,
  feeRate,
  type BlockHash,
  parseBlockHash,
  parseBtc,
  parseScriptHex,
  parseTxid,
  type ScriptHex,
  type Txid,
} from '@finality/bitcoin';
import type { Sats } from '@finality/kernel';
import { NodeAnswerMalformed } from './node-errors.ts';

/** A JSON number with a fraction or an exponent, as its source text: amounts never pass through a float. */
class JsonDecimal {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

/** `JSON.parse` where numbers that aren't safe integers keep their digits. Throws a SyntaxError like it. */
export function parseExactJson(text: string): unknown {
  // The third argument (TC39 JSON.parse source text access) is in V8 since Node 22.
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) =>
    typeof value === 'number' && !Number.isSafeInteger(value)
      ? new JsonDecimal(context?.source ?? String(value))
      : value,
  );
}

/** Reads a node's answer field by field; what isn't there or isn't what it should be is a `NodeAnswerMalformed` that names it. */
export class RpcAnswer {
  readonly #path: string;
  readonly #value: unknown;

  constructor(path: string, value: unknown) {
    this.#path = path;
    this.#value = value;
  }

  field(name: string): RpcAnswer {
    const value: unknown =
      typeof this.#value === 'object' && this.#value !== null
        ? (this.#value as Record<string, unknown>)[name]
        : undefined;
    return new RpcAnswer(`${this.#path}.${name}`, value);
  }

  items(): readonly RpcAnswer[] {
    if (!Array.isArray(this.#value)) throw this.#malformed('an array');
    return this.#value.map((value: unknown, i) => new RpcAnswer(`${this.#path}[${i}]`, value));
  }

  /** Of an object, whatever its fields are called. */
  values(): readonly RpcAnswer[] {
    if (typeof this.#value !== 'object' || this.#value === null || Array.isArray(this.#value))
      throw this.#malformed('an object');
    return Object.entries(this.#value).map(([name, value]) => new RpcAnswer(`${this.#path}.${name}`, value));
  }

  get isMissing(): boolean {
    return this.#value === undefined || this.#value === null;
  }

  text(): string {
    if (typeof this.#value !== 'string') throw this.#malformed('a string');
    return this.#value;
  }

  boolean(): boolean {
    if (typeof this.#value !== 'boolean') throw this.#malformed('true or false');
    return this.#value;
  }

  integer(): number {
    if (typeof this.#value !== 'number') throw this.#malformed('an integer');
    return this.#value;
  }

  bytes(): Uint8Array {
    const text = this.text();
    // Stops at whatever isn't hex. A block is millions of digits: one look at each is enough.
    const bytes = Buffer.from(text, 'hex');
    if (2 * bytes.length !== text.length) throw this.#malformed('whole bytes of hex');
    return bytes;
  }

  script(): ScriptHex {
    const parsed = parseScriptHex(this.text());
    if (!parsed.ok) throw this.#malformed('a script in hex');
    return parsed.value;
  }

  txid(): Txid {
    const parsed = parseTxid(this.text());
    if (!parsed.ok) throw this.#malformed('a txid');
    return parsed.value;
  }

  blockHash(): BlockHash {
    const parsed = parseBlockHash(this.text());
    if (!parsed.ok) throw this.#malformed('a block hash');
    return parsed.value;
  }

  /** A decimal amount of BTC, exactly. */
  btc(): Sats {
    const parsed = parseBtc(this.#decimalSource());
    if (!parsed.ok) throw this.#malformed(`an amount of BTC (${parsed.error.message})`);
    return parsed.value;
  }

  /** A feerate, printed in BTC per 1,000 virtual bytes: a rate, not an amount, and btcd computes it in floats. Rounded up. */
  feeRate(): FeeRate {
    const satsPerKvb = Math.ceil(Number(this.#decimalSource()) * 1e8 - FLOAT_ERROR);
    if (!(satsPerKvb >= 0 && satsPerKvb <= FEE_RATE_MAX)) throw this.#malformed('a feerate in BTC/kvB');
    return feeRate(BigInt(satsPerKvb));
  }

  #decimalSource(): string {
    if (this.#value instanceof JsonDecimal) return this.#value.source;
    if (typeof this.#value === 'number') return String(this.#value);
    throw this.#malformed('a number');
  }

  #malformed(expected: string): NodeAnswerMalformed {
    const found = this.#value instanceof JsonDecimal ? this.#value.source : (JSON.stringify(this.#value) ?? 'nothing');
    return new NodeAnswerMalformed(this.#path, expected, found.slice(0, FOUND_LENGTH_MAX));
  }
}

const FOUND_LENGTH_MAX = 80;
/** Above this `feeRate` takes it for a bug, but here it is the node's. */
const FEE_RATE_MAX = 10_000_000;
/** So that 0.00001 BTC/kvB is 1,000 sat/kvB and not 1,001. */
const FLOAT_ERROR = 1e-4;
