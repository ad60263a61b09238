import type { Instant, Runtime, Worker } from '@finality/kernel';
import { describe, expect, test } from 'vitest';
import { silentLog } from '../logging/log.ts';
import { WorkerLoop } from './worker-loop.ts';

/** Time that passes when told to; remembers how long it was asked to sleep. */
class ManualRuntime implements Runtime {
  nowMs = 0;
  readonly slept: number[] = [];
  #sleepers: { untilMs: number; wake: () => void }[] = [];
  now = (): Instant => this.nowMs as Instant;
  monotonicMs = (): number => this.nowMs;
  randomBytes = (length: number): Uint8Array => new Uint8Array(length);
  id = (): string => 'id';
  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    this.slept.push(delayMs);
    return new Promise((resolve) => {
      this.#sleepers.push({ untilMs: this.nowMs + delayMs, wake: resolve });
      signal?.addEventListener('abort', () => resolve(), { once: true });
    });
  }
  async pass(ms: number): Promise<void> {
    this.nowMs += ms;
    const due = this.#sleepers.filter((sleeper) => sleeper.untilMs <= this.nowMs);
    this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.untilMs > this.nowMs);
    for (const sleeper of due) sleeper.wake();
    await settle();
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function loopOf(step: Worker['step'], more: Partial<Worker> = {}): { runtime: ManualRuntime; loop: WorkerLoop } {
  const runtime = new ManualRuntime();
  const worker: Worker = { name: 'relay', pollMs: 1_000, step, ...more };
  return { runtime, loop: new WorkerLoop({ worker, runtime, log: silentLog }) };
}

describe('WorkerLoop', () => {
  test('steps while there is progress, then sleeps until pollMs have passed', async () => {
    let left = 3;
    const { runtime, loop } = loopOf(() => Promise.resolve(left-- > 0 ? 'progress' : 'idle'));
    loop.start();
    await settle();
    expect(loop.status()).toMatchObject({ state: 'waiting', steps: 4, errors: 0 });
    await runtime.pass(999);
    expect(loop.status().steps).toBe(4);
    await runtime.pass(1);
    expect(loop.status().steps).toBe(5);
    expect(await loop.stop(100)).toBe(true);
    expect(loop.status().state).toBe('stopped');
  });

  test('sleeps after a step that did what there was to do', async () => {
    const { runtime, loop } = loopOf(() => Promise.resolve('progress'), { isDrained: true });
    loop.start();
    await settle();
    expect(loop.status()).toMatchObject({ state: 'waiting', steps: 1 });
    loop.wake();
    await settle();
    expect(loop.status()).toMatchObject({ state: 'waiting', steps: 2 });
    await runtime.pass(1_000);
    expect(loop.status().steps).toBe(3);
    expect(await loop.stop(100)).toBe(true);
  });

  test('a wake-up ends the sleep; one during a step isn’t lost', async () => {
    let finish: () => void = () => undefined;
    const { loop } = loopOf(() => new Promise((resolve) => (finish = () => resolve('idle'))));
    loop.start();
    await settle();
    finish();
    await settle();
    loop.wake();
    await settle();
    expect(loop.status()).toMatchObject({ state: 'stepping', steps: 2 });
    loop.wake();
    finish();
    await settle();
    expect(loop.status()).toMatchObject({ state: 'stepping', steps: 3 });
    finish();
    await settle();
    expect(loop.status()).toMatchObject({ state: 'waiting', steps: 3 });
    await loop.stop(100);
  });

  test('after errors it pauses twice as long each time, at most 30 s, and a wake-up doesn’t shorten that', async () => {
    let fail = true;
    const { runtime, loop } = loopOf(() =>
      fail ? Promise.reject(new Error('database is away')) : Promise.resolve('idle'),
    );
    loop.start();
    await settle();
    loop.wake();
    await settle();
    expect(loop.status()).toMatchObject({ state: 'failing', steps: 1, errorsInARow: 1, lastError: 'database is away' });
    for (let i = 0; i < 11; i++) await runtime.pass(30_000);
    expect(runtime.slept).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000, 30_000]);
    fail = false;
    await runtime.pass(30_000);
    expect(loop.status()).toMatchObject({ state: 'waiting', errors: 12, errorsInARow: 0 });
    expect(loop.status().lastError).toBeUndefined();
    await loop.stop(100);
  });

  test('stopping waits for the step, not longer than the deadline', async () => {
    let finish: () => void = () => undefined;
    const { runtime, loop } = loopOf(() => new Promise((resolve) => (finish = () => resolve('progress'))));
    loop.start();
    await settle();
    const late = loop.stop(500);
    await runtime.pass(500);
    expect(await late).toBe(false);
    expect(loop.status()).toMatchObject({ state: 'stepping', stepMs: 500 });
    const inTime = loop.stop(500);
    finish();
    expect(await inTime).toBe(true);
    expect(loop.status()).toMatchObject({ state: 'stopped', steps: 1 });
  });

  test('work that never waits for anything lets others have a turn', async () => {
    const { runtime, loop } = loopOf(() => Promise.resolve('progress'));
    loop.start();
    await settle();
    expect(loop.status().steps).toBe(64);
    await runtime.pass(0);
    expect(loop.status().steps).toBe(128);
    const stopped = loop.stop(1_000);
    await runtime.pass(0);
    expect(await stopped).toBe(true);
  });
});
