import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { NotTheWriter, Writer } from '@finality/event-store';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { deposit } from './account.ts';
import { kinds, StoreBench } from './store-bench.ts';

const bench = new StoreBench();
const writers: Writer[] = [];
let superseded: string[] = [];
beforeAll(() => bench.open());
beforeEach(async () => {
  superseded = [];
  await bench.next();
});
afterEach(async () => {
  for (const writer of writers.splice(0)) await writer.close();
});
afterAll(() => bench.db.close());

function writer(holder: string): Writer {
  const { pool, schema } = bench.schema;
  const made = new Writer({ pool, schema, holder, onSuperseded: () => superseded.push(holder) });
  writers.push(made);
  return made;
}

const endSessions = (where: string) => bench.schema.pool.query(`SELECT pg_terminate_backend(pid) FROM ${where}`);
const LOCK_HOLDERS =
  "pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

test('of two processes one appends; the other refuses, and takes over when the first one is gone', async () => {
  const [one, two] = [writer('one'), writer('two')];
  const [first, second] = [bench.store({ writer: one }), bench.store({ writer: two })];
  await expect(first.execute([deposit('a', 1n)])).rejects.toThrow(NotTheWriter);
  expect(await one.step()).toBe('progress');
  expect(await two.step()).toBe('idle');
  expect(kinds(await first.execute([deposit('a', 1n)]))).toEqual(['accepted']);
  await expect(second.execute([deposit('a', 2n)])).rejects.toThrow(NotTheWriter);
  await one.close();
  await expect.poll(() => two.step()).toBe('progress');
  expect(two.lease!.fencing).toBeGreaterThan(1n);
  expect(kinds(await second.execute([deposit('a', 3n)]))).toEqual(['accepted']);
  await expect(first.execute([deposit('a', 4n)])).rejects.toThrow(NotTheWriter);
});

test('whoever lost its session writes again where nobody else has in the meantime', async () => {
  const one = writer('one');
  const store = bench.store({ writer: one });
  await one.step();
  const before = one.lease!.fencing;
  await endSessions(LOCK_HOLDERS);
  await expect.poll(() => one.lease).toBeUndefined();
  await expect(store.execute([deposit('a', 1n)])).rejects.toThrow(NotTheWriter);
  await expect.poll(() => one.step()).toBe('progress');
  expect(one.lease!.fencing).toBe(before + 1n);
  expect(kinds(await store.execute([deposit('a', 1n)]))).toEqual(['accepted']);
  expect(superseded).toEqual([]);
});

test('whoever lost its session to another one has to end', async () => {
  const [one, two] = [writer('one'), writer('two')];
  await one.step();
  await two.step();
  await endSessions(LOCK_HOLDERS);
  await expect.poll(() => one.lease).toBeUndefined();
  await expect.poll(() => two.step()).toBe('progress');
  await one.step();
  expect(superseded).toEqual(['one']);
  expect(await one.step()).toBe('idle');
  expect(one.lease).toBeUndefined();
});

test('a writer that thinks that it still is one appends nothing', async () => {
  const one = writer('one');
  const store = bench.store({ writer: one });
  await one.step();
  await bench.schema.owner.query(`UPDATE ${bench.schema.schema}.leases SET fencing = fencing + 1`);
  await expect(store.execute([deposit('a', 1n)])).rejects.toThrow(NotTheWriter);
  expect(superseded).toEqual(['one']);
  expect((await bench.schema.owner.query(`SELECT 1 FROM ${bench.schema.schema}.events`)).rowCount).toBe(0);
});

test('one that is stopped between decision and commit is replaced within 10 s, and its commit fails', async () => {
  const { url, schema } = bench.schema;
  const order = { role: 'stall', url, busUrl: bench.db.busUrl, schema, sourceSchema: schema, writes: true };
  const stalled = fork(join(import.meta.dirname, 'child.fixture.ts'), [JSON.stringify(order)], {
    execArgv: ['--no-warnings'],
  });
  try {
    expect(await once(stalled, 'message')).toContain('holding');
    stalled.kill('SIGSTOP');
    const standby = writer('standby');
    const store = bench.store({ writer: standby });
    await expect.poll(() => standby.step(), { timeout: 10_000, interval: 250 }).toBe('progress');
    expect(kinds(await store.execute([deposit('a', 1n)]))).toEqual(['accepted']);
    stalled.send('go on');
    stalled.kill('SIGCONT');
    expect(await once(stalled, 'message')).toContain('StoreUnavailable');
    const { rows } = await bench.schema.owner.query(`SELECT stream FROM ${schema}.events`);
    expect(rows).toEqual([{ stream: 'account/a' }]);
  } finally {
    stalled.kill('SIGKILL');
  }
});
