import { assert } from '@finality/kernel';

// Arithmetic on secp256k1 (SEC 2) a second time, on bigints, for public data alone: nothing here takes constant time. It shares no line with
// the curve that derives (tiny-secp256k1), so that a fault in one of them shows. Points are affine; many are added at once, because one
// inversion then serves them all (Montgomery's trick).

export interface Point {
  readonly x: bigint;
  readonly y: bigint;
}

const FIELD = 2n ** 256n - 2n ** 32n - 977n;
export const CURVE_ORDER = 0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe_baae_dce6_af48_a03b_bfd2_5e8c_d036_4141n;
const GENERATOR: Point = {
  x: 0x79be_667e_f9dc_bbac_55a0_6295_ce87_0b07_029b_fcdb_2dce_28d9_59f2_815b_16f8_1798n,
  y: 0x483a_da77_26a3_c465_5da4_fbfc_0e11_08a8_fd17_b448_a685_5419_9c47_d08f_fb10_d4b8n,
};

const SCALAR_BYTES = 32;
const DIGITS = 256;

/** `table[i][d]` is d·256^i·G; made when it is first needed (some 0.1 s, 2 MB). */
let table: readonly (readonly Point[])[] | undefined;

/** scalar·G for each of 32-byte scalars; 0 and the order of the curve or more are bugs. */
export function multiplyGenerator(scalars: readonly Uint8Array[]): readonly Point[] {
  table ??= makeTable();
  for (const scalar of scalars) {
    const value = numberOf(scalar);
    assert(
      scalar.length === SCALAR_BYTES && value > 0n && value < CURVE_ORDER,
      'a scalar is from 1 to the order of the curve',
    );
  }
  let sums: readonly (Point | undefined)[] = scalars.map(() => undefined);
  for (let place = 0; place < SCALAR_BYTES; place++) {
    const addends = scalars.map((scalar) => table![place]![scalar[SCALAR_BYTES - 1 - place]!]);
    sums = addAll(sums, addends);
  }
  return sums.map((sum) => {
    assert(sum, 'the multiple of a scalar that isn’t 0 is a point');
    return sum;
  });
}

/**
 * Sums of points pairwise; a missing one is nothing. Of a pair neither is the other or its opposite: what is added here can't be, or is with
 * odds of 2^-128, and then this throws.
 */
export function addAll(
  left: readonly (Point | undefined)[],
  right: readonly (Point | undefined)[],
): readonly (Point | undefined)[] {
  const differences = left.map((a, i) => {
    const b = right[i];
    return a && b ? wrap(b.x - a.x) : 1n;
  });
  const inverses = invertAll(differences);
  return left.map((a, i) => {
    const b = right[i];
    if (!a || !b) return a ?? b;
    const slope = ((b.y - a.y) * inverses[i]!) % FIELD;
    const x = wrap((slope * slope - a.x - b.x) % FIELD);
    return { x, y: wrap((slope * (a.x - x) - a.y) % FIELD) };
  });
}

/** A point by its compressed form of 33 bytes; one that isn't on the curve is a bug. */
export function pointOf(compressed: Uint8Array): Point {
  const x = numberOf(compressed.subarray(1));
  const square = (x * x * x + 7n) % FIELD;
  const root = power(square, (FIELD + 1n) / 4n);
  assert((root * root) % FIELD === square, 'a public key is on the curve');
  const isOdd = compressed[0] === 0x03;
  return { x, y: (root & 1n) === (isOdd ? 1n : 0n) ? root : FIELD - root };
}

/** The point of the same x whose y is even (BIP340). */
export const withEvenY = ({ x, y }: Point): Point => ({ x, y: (y & 1n) === 0n ? y : FIELD - y });

/** 33 bytes: parity of y, and x. */
export function compressedOf(point: Point): Uint8Array {
  return Buffer.from(`${(point.y & 1n) === 0n ? '02' : '03'}${hexOfX(point)}`, 'hex');
}

/** x as 64 hex digits. */
export const hexOfX = ({ x }: Point): string => x.toString(16).padStart(64, '0');

const numberOf = (bytes: Uint8Array): bigint =>
  BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`);

const wrap = (value: bigint): bigint => (value < 0n ? value + FIELD : value);

function makeTable(): readonly (readonly Point[])[] {
  const bases: Point[] = [GENERATOR];
  while (bases.length < SCALAR_BYTES) {
    let base = bases.at(-1)!;
    for (let bit = 0; bit < 8; bit++) base = double(base);
    bases.push(base);
  }
  const rows = bases.map((base): (Point | undefined)[] => [undefined, base, double(base)]);
  for (let digit = 3; digit < DIGITS; digit++) {
    const sums = addAll(
      rows.map((row) => row[digit - 1]),
      bases,
    );
    for (const [i, row] of rows.entries()) row.push(sums[i]);
  }
  return rows as Point[][];
}

function double({ x, y }: Point): Point {
  const [inverse] = invertAll([(2n * y) % FIELD]);
  const slope = (3n * x * x * inverse!) % FIELD;
  const doubledX = wrap((slope * slope - 2n * x) % FIELD);
  return { x: doubledX, y: wrap((slope * (x - doubledX) - y) % FIELD) };
}

/** 1/value in the field for each, by one inversion of their product. */
function invertAll(values: readonly bigint[]): readonly bigint[] {
  const products: bigint[] = [];
  let product = 1n;
  for (const value of values) {
    products.push(product);
    product = (product * value) % FIELD;
  }
  assert(product !== 0n, 'points that are added have different x');
  let inverse = power(product, FIELD - 2n);
  const inverses = Array<bigint>(values.length);
  for (let i = values.length - 1; i >= 0; i--) {
    inverses[i] = (inverse * products[i]!) % FIELD;
    inverse = (inverse * values[i]!) % FIELD;
  }
  return inverses;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let square = base, rest = exponent; rest > 0n; rest >>= 1n, square = (square * square) % FIELD)
    if (rest & 1n) result = (result * square) % FIELD;
  return result;
}
