import { bytesFromHex, isHex, parseBtc } from '@finality/bitcoin';
import { RPC, type RpcFault } from '../broadcast.ts';

/** Thrown by methods; becomes the error of the JSON-RPC answer. */
export class RpcError extends Error {
  readonly fault: RpcFault;

  constructor(code: number, message: string) {
    super(message);
    this.name = 'RpcError';
    this.fault = { code, message };
  }
}

/** The positional parameters of a call, read with Bitcoin Core's errors for what is missing or of the wrong type. */
export class RpcParams {
  readonly #values: readonly unknown[];
  readonly #method: string;

  constructor(method: string, values: readonly unknown[]) {
    this.#method = method;
    this.#values = values;
  }

  has(i: number): boolean {
    return this.#values[i] !== undefined && this.#values[i] !== null;
  }

  integer(i: number, name: string): number {
    const value = this.#required(i, name);
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw this.#wrongType(name, value, 'number');
    return value;
  }

  text(i: number, name: string): string {
    const value = this.#required(i, name);
    if (typeof value !== 'string') throw this.#wrongType(name, value, 'string');
    return value;
  }

  /** 0 and 1 pass for false and true, as they do in both nodes where a verbosity was once a flag. */
  boolean(i: number, name: string, otherwise: boolean): boolean {
    if (!this.has(i)) return otherwise;
    const value = this.#values[i];
    if (value === 0 || value === 1) return value === 1;
    if (typeof value !== 'boolean') throw this.#wrongType(name, value, 'bool');
    return value;
  }

  /** `false` and `true` pass for 0 and 1. */
  verbosity(i: number, name: string, otherwise: number): number {
    const value = this.has(i) ? this.#values[i] : otherwise;
    return typeof value === 'boolean' ? Number(value) : this.has(i) ? this.integer(i, name) : otherwise;
  }

  list(i: number, name: string): readonly unknown[] {
    const value = this.#required(i, name);
    if (!Array.isArray(value)) throw this.#wrongType(name, value, 'array');
    return value;
  }

  /** 64 hex digits, in lower case whatever was given. */
  hash(i: number, name: string): string {
    return hashOf(this.text(i, name), name);
  }

  bytes(i: number, name: string, refusal: string): Uint8Array {
    const text = this.text(i, name);
    if (!isHex(text)) throw new RpcError(RPC.deserialization, refusal);
    return bytesFromHex(text);
  }

  /** An amount, or a feerate per 1,000 vbytes, in BTC: a number or its decimal text. */
  btc(i: number, name: string, otherwise: bigint): bigint {
    if (!this.has(i)) return otherwise;
    const parsed = parseBtc(String(this.#values[i]));
    if (!parsed.ok) throw new RpcError(RPC.typeError, `Invalid amount for ${name}`);
    return parsed.value;
  }

  #required(i: number, name: string): unknown {
    if (!this.has(i)) throw new RpcError(RPC.miscError, `${this.#method} needs the parameter ${name}`);
    return this.#values[i];
  }

  #wrongType(name: string, value: unknown, expected: string): RpcError {
    const found = Array.isArray(value) ? 'array' : typeof value;
    return new RpcError(RPC.typeError, `JSON value of type ${found} for ${name} is not of expected type ${expected}`);
  }
}

export function hashOf(text: string, name: string): string {
  if (text.length !== 64)
    throw new RpcError(
      RPC.invalidParameter,
      `${name} must be of length 64 (not ${text.length}, for '${text.slice(0, 100)}')`,
    );
  if (!isHex(text)) throw new RpcError(RPC.invalidParameter, `${name} must be hexadecimal string (not '${text}')`);
  return text.toLowerCase();
}
