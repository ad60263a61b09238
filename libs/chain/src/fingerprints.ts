import { assert } from '@finality/kernel';

/** Two 32-bit words that nobody outside knows: whoever knew them could make texts that look alike to us. */
export type FingerprintKey = readonly [number, number];

const CAPACITY_MIN = 1_024;
/** Of the slots; above it the table doubles. */
const LOAD_MAX = 0.75;

/**
 * A large set of texts by 64 bits of a keyed hash of each, about 11 to 21 bytes a text. It never misses one that it holds; one that it doesn't
 * hold it takes for one of its own with a probability of its size / 2^64. So what it finds has to be looked up exactly.
 */
export class FingerprintSet {
  readonly #key: FingerprintKey;
  /** Pairs of words; two zeros are an empty slot. */
  #slots: Uint32Array;
  #mask: number;
  #size = 0;

  constructor(key: FingerprintKey) {
    this.#key = key;
    this.#slots = new Uint32Array(2 * CAPACITY_MIN);
    this.#mask = CAPACITY_MIN - 1;
  }

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#slots.byteLength;
  }

  has(text: string): boolean {
    const slot = this.#find(this.#slots, this.#mask, ...this.#hash(text));
    return this.#slots[slot] !== 0 || this.#slots[slot + 1] !== 0;
  }

  add(text: string): void {
    if (this.#size + 1 > LOAD_MAX * (this.#mask + 1)) this.#grow();
    const [high, low] = this.#hash(text);
    const slot = this.#find(this.#slots, this.#mask, high, low);
    if (this.#slots[slot] !== 0 || this.#slots[slot + 1] !== 0) return;
    this.#slots[slot] = high;
    this.#slots[slot + 1] = low;
    this.#size += 1;
  }

  /** Index of the fingerprint's first word, or of the empty slot where it belongs: linear probing, which an unfilled table bounds. */
  #find(slots: Uint32Array, mask: number, high: number, low: number): number {
    for (let at = low & mask; ; at = (at + 1) & mask) {
      const slot = 2 * at;
      const first = slots[slot];
      const second = slots[slot + 1];
      if ((first === high && second === low) || (first === 0 && second === 0)) return slot;
    }
  }

  #grow(): void {
    const old = this.#slots;
    const capacity = 2 * (this.#mask + 1);
    assert(capacity <= 2 ** 30, 'a set of fingerprints fits into an array');
    const slots = new Uint32Array(2 * capacity);
    for (let slot = 0; slot < old.length; slot += 2) {
      const [high, low] = [old[slot]!, old[slot + 1]!];
      if (high === 0 && low === 0) continue;
      const place = this.#find(slots, capacity - 1, high, low);
      slots[place] = high;
      slots[place + 1] = low;
    }
    this.#slots = slots;
    this.#mask = capacity - 1;
  }

  /** Two lanes of multiply and rotate over the text's characters, each finished so that every bit of the text moves every bit of the result. */
  #hash(text: string): [high: number, low: number] {
    let [a, b] = this.#key;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      a = Math.imul(a ^ code, 0x9e3779b1);
      a = (a << 13) | (a >>> 19);
      b = Math.imul(b + code, 0x85ebca77);
      b = (b << 11) | (b >>> 21);
    }
    const high = finish(a ^ text.length) >>> 0;
    const low = finish(b ^ high) >>> 0;
    return high === 0 && low === 0 ? [1, 0] : [high, low];
  }
}

function finish(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0xc2b2ae3d);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0x27d4eb2f);
  return mixed ^ (mixed >>> 16);
}
