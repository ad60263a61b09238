import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLog } from '../logging/log.ts';
import { systemRuntime } from '../runtime/system-runtime.ts';
import { WorkerLoop } from '../runtime/worker-loop.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { grpcHealthWorker, HealthRegistry, workerCheck } from './health.ts';
import { type HttpServer, startHttp } from './http.ts';

const runtime = systemRuntime();
let health: HealthRegistry;
let http: HttpServer;
const metrics = new Metrics(silentLog);

beforeEach(async () => {
  health = new HealthRegistry(runtime);
  http = await startHttp({ host: '127.0.0.1', port: 0, portVariable: 'HTTP_PORT', health, metrics });
});

afterEach(() => http.close());

async function get(path: string): Promise<{ status: number; type: string; body: string }> {
  const response = await fetch(`http://${http.host}:${http.port}${path}`);
  return { status: response.status, type: response.headers.get('content-type') ?? '', body: await response.text() };
}

const ready = async (): Promise<{ status: number; report: unknown }> => {
  await runtime.sleep(510);
  const { status, body } = await get('/readyz');
  return { status, report: JSON.parse(body) as unknown };
};

describe('over HTTP', () => {
  test('alive is alive; ready is what every dependency says right now', async () => {
    let up = true;
    health.register('settlement/database', () =>
      up ? { ok: true, detail: { ms: 1 } } : Promise.reject(new Error('connection refused')),
    );
    expect(await ready()).toEqual({
      status: 200,
      report: { status: 'ready', writes: true, checks: { 'settlement/database': { ok: true, detail: { ms: 1 } } } },
    });
    up = false;
    expect(await ready()).toEqual({
      status: 503,
      report: {
        status: 'not_ready',
        writes: true,
        checks: { 'settlement/database': { ok: false, detail: { error: 'connection refused' } } },
      },
    });
    expect(await get('/healthz')).toMatchObject({ status: 200, body: '{"status":"alive"}' });
    up = true;
    expect((await ready()).status).toBe(200);
    health.drain();
    expect(await get('/readyz')).toMatchObject({ status: 503, body: expect.stringContaining('"draining"') as string });
  });

  test('a dependency that doesn’t answer has failed', async () => {
    health.register('node', () => new Promise(() => undefined));
    const { status, report } = await ready();
    expect(status).toBe(503);
    expect(report).toMatchObject({ checks: { node: { ok: false, detail: { error: 'no answer within 2000 ms' } } } });
  });

  test('metrics are Prometheus’s text format', async () => {
    metrics.forService('risk').counter('seen_total', 'Seen').inc();
    expect(await get('/metrics')).toMatchObject({
      status: 200,
      type: expect.stringMatching(/^text\/plain/) as string,
      body: expect.stringContaining('seen_total{service="risk"} 1') as string,
    });
    expect((await get('/nothing')).status).toBe(404);
  });

  test('a taken port is named, with the variable that changes it', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const address = blocker.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const second = startHttp({ host: '127.0.0.1', port, portVariable: 'HTTP_PORT', health, metrics });
    await expect(second).rejects.toMatchObject({
      code: 'PORT_TAKEN',
      remedy: expect.stringContaining('HTTP_PORT') as string,
    });
    blocker.close();
  });
});

test('a worker that fails again and again is unwell', async () => {
  const loop = new WorkerLoop({
    worker: { name: 'relay', pollMs: 1, step: () => Promise.reject(new Error('away')) },
    runtime,
    log: silentLog,
  });
  const check = workerCheck(loop);
  expect(check().ok).toBe(true);
  loop.start();
  await expect.poll(() => check(), { timeout: 10_000 }).toMatchObject({ ok: false, detail: { lastError: 'away' } });
  await loop.stop(1_000);
});

test('the gRPC health service says the same', async () => {
  let up = true;
  health.register('database', () => ({ ok: up }));
  const statuses = new Map<string, boolean>();
  const worker = grpcHealthWorker(health, {
    services: ['a.B'],
    setServing: (service, serving) => statuses.set(service, serving),
  });
  await worker.step();
  expect([...statuses]).toEqual([
    ['', true],
    ['a.B', true],
  ]);
  up = false;
  await runtime.sleep(510);
  await worker.step();
  expect([...statuses]).toEqual([
    ['', false],
    ['a.B', false],
  ]);
});
