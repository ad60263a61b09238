import type { PoolClient } from 'pg';
import { expect, it } from 'vitest';
import { ClientSession } from './session.ts';

it('sends nothing that the driver may fail to encode: the server would commit the rest', () => {
  const sent: unknown[] = [];
  const client = { query: (query: unknown) => Promise.resolve({ rows: [sent.push(query)] }) };
  const session = new ClientSession(client as unknown as PoolClient);
  const write = (...values: readonly unknown[]): void => session.send('SELECT 1', values);
  for (const value of [{ amount: 1n }, [{ amount: 1n }], [[1n]]]) expect(() => write(value)).toThrow('encoded');
  expect(sent).toEqual([]);
  write(1n, 'a', null, undefined, true, Buffer.from('a'), [1n, null, 'a', new Uint8Array(1)]);
  expect(sent).toHaveLength(1);
});
