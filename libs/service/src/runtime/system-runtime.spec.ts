import { expect, test } from 'vitest';
import { systemRuntime } from './system-runtime.ts';

const runtime = systemRuntime();

test('sleeps as long as told, or until the signal', async () => {
  const startedMs = runtime.monotonicMs();
  await runtime.sleep(30);
  expect(runtime.monotonicMs() - startedMs).toBeGreaterThanOrEqual(29);
  const controller = new AbortController();
  const sleeping = runtime.sleep(60_000, controller.signal);
  controller.abort();
  await sleeping;
  await runtime.sleep(60_000, controller.signal);
});

test('ids are UUIDs of version 7 in the order of time, and differ', async () => {
  const ids = Array.from({ length: 1_000 }, () => runtime.id());
  expect(new Set(ids).size).toBe(1_000);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  await runtime.sleep(2);
  expect(runtime.id() > (ids.at(-1) ?? '')).toBe(true);
});

test('random bytes are as many as asked for, differ across draws, and are nobody else’s memory', () => {
  const drawn = Array.from({ length: 1_000 }, (_, i) => runtime.randomBytes(16 + (i % 17)));
  expect(drawn.map(({ length }) => length)).toEqual(drawn.map((_, i) => 16 + (i % 17)));
  expect(new Set(drawn.map((bytes) => Buffer.from(bytes).toString('hex'))).size).toBe(1_000);
  for (const { buffer, byteLength } of drawn) expect(buffer.byteLength).toBe(byteLength);
  const many = runtime.randomBytes(100_000);
  expect(many).toHaveLength(100_000);
  expect(new Set(many).size).toBe(256);
  expect(runtime.randomBytes(0)).toHaveLength(0);
});
