import { createRequire } from 'node:module';
import { afterEach, expect, test, vi } from 'vitest';
import { isPatchFor, KAFKAJS_VERSION } from './request-queue.patch.ts';

interface Queue {
  pending: unknown[];
  throttledUntil: number;
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
}

const load = createRequire(import.meta.url);
const RequestQueue = load('kafkajs/src/network/requestQueue/index.js') as new (options: object) => Queue;

afterEach(() => vi.useRealTimers());

test('the patch is for the kafkajs that is installed', () => {
  expect(isPatchFor(), `kafkajs ${KAFKAJS_VERSION}: look whether another one needs it, and whether it fits`).toBe(true);
});

test('a queue that holds nothing back sets no timer; one that does looks after it when the broker lets it', () => {
  vi.useFakeTimers();
  const queue = new RequestQueue({ maxInFlightRequests: null, logger: { debug: () => undefined } });
  queue.checkPendingRequests();
  queue.scheduleCheckPendingRequests();
  expect(vi.getTimerCount()).toBe(0);

  let sent = 0;
  queue.throttledUntil = Date.now() + 100;
  queue.pending.push({ send: () => (sent += 1), expectResponse: true });
  queue.scheduleCheckPendingRequests();
  vi.advanceTimersByTime(90);
  expect(sent).toBe(0);
  vi.advanceTimersByTime(20);
  expect(sent).toBe(1);
  expect(vi.getTimerCount()).toBe(0);
});
