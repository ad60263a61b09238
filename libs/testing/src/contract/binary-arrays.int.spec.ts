import { bigintArray, bytesArray, hexArray, integerArray, slicesArray, textArray } from '@finality/event-store';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase(['keeper']);
});
afterAll(() => database.close());

const TEXTS = ['', 'NULL', '{"a",b}', 'größe €', '\\x00', undefined];

it.each([
  ['text[]', textArray(TEXTS), ['', 'NULL', '{"a",b}', 'größe €', '\\x00', null]],
  ['bytea[]', hexArray(['00ff', undefined, 'abcd'], 2), ['\\x00ff', null, '\\xabcd']],
  ['bytea[]', bytesArray([Buffer.of(0, 255), Buffer.alloc(0), Buffer.of(1)]), ['\\x00ff', '\\x', '\\x01']],
  ['bytea[]', slicesArray(Buffer.from('00ffabcd', 'hex'), 2), ['\\x00ff', '\\xabcd']],
  ['bigint[]', bigintArray([2n ** 63n - 1n, -(2n ** 63n), 0n]), ['9223372036854775807', '-9223372036854775808', '0']],
  ['integer[]', integerArray([2 ** 31 - 1, -(2 ** 31)]), ['2147483647', '-2147483648']],
  // Of nothing but nulls, and of nothing: without a dimension.
  ...[textArray([undefined]), textArray([])].map((bytes) => ['text[]', bytes, []] as const),
  ...[hexArray([undefined], 2), slicesArray(Buffer.alloc(0), 2), bytesArray([])].map(
    (bytes) => ['bytea[]', bytes, []] as const,
  ),
  ['bigint[]', bigintArray([]), []],
  ['integer[]', integerArray([]), []],
] as const)('%s is read by Postgres as it was written', async (type, bytes, expected) => {
  const { rows } = await database
    .service('keeper')
    .pool.query<{ value: string | null }>(`SELECT value::text FROM unnest($1::${type}) AS value`, [bytes]);
  expect(rows.map(({ value }) => value)).toEqual(expected);
});

it('columns of nothing but nulls are as long as the others', async () => {
  const { rows } = await database
    .service('keeper')
    .pool.query('SELECT a, b FROM unnest($1::integer[], $2::text[]) AS t (a, b)', [
      integerArray([1, 2]),
      textArray([undefined, undefined]),
    ]);
  expect(rows).toEqual([
    { a: 1, b: null },
    { a: 2, b: null },
  ]);
});

it('refuses what isn’t as long as it is said to be', () => {
  expect(() => hexArray(['00'], 2)).toThrow('2 bytes');
  expect(() => hexArray(['0'], 2)).toThrow('2 bytes');
  expect(() => slicesArray(Buffer.alloc(3), 2)).toThrow('slices of 2');
});
