import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { afterAll, expect, test } from 'vitest';
import { systemRuntime } from '../runtime/system-runtime.ts';
import { newTraceparent, parseTraceparent, startTracing, withSpan } from './tracing.ts';

const runtime = systemRuntime();
const TRACE = 'ab'.repeat(16);
const INCOMING = `00-${TRACE}-${'cd'.repeat(8)}-01`;
const collector = createServer();

afterAll(() => collector.close());

test('parses what the standard allows and nothing else', () => {
  expect(parseTraceparent(INCOMING)).toEqual({ traceId: TRACE, spanId: 'cd'.repeat(8), traceFlags: 1 });
  for (const wrong of [
    undefined,
    '',
    'x',
    INCOMING.toUpperCase(),
    `00-${'0'.repeat(32)}-${'cd'.repeat(8)}-01`,
    `01${INCOMING.slice(2)}-x`,
  ]) {
    expect(parseTraceparent(wrong)).toBeUndefined();
  }
  expect(parseTraceparent(newTraceparent(runtime))).toMatchObject({ traceFlags: 1 });
});

test('without a collector a trace passes through as it came', async () => {
  const tracing = await startTracing({ endpoint: undefined, serviceName: 'test', runtime });
  expect(await withSpan('step', { traceparent: INCOMING }, (traceparent) => Promise.resolve(traceparent))).toBe(
    INCOMING,
  );
  expect(await withSpan('step', {}, (traceparent) => Promise.resolve(traceparent))).toBeUndefined();
  await tracing.stop();
});

test('with a collector spans of one trace are sent to it, nested', async () => {
  const received: { path: string; body: Buffer }[] = [];
  collector.on('request', (request: IncomingMessage, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ path: request.url ?? '', body: Buffer.concat(chunks) });
      response.end();
    });
  });
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
  const address = collector.address();
  const endpoint = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = endpoint;
  const tracing = await startTracing({ endpoint, serviceName: 'settlement', runtime });

  const failing = withSpan('outer-step', { traceparent: INCOMING, kind: 'consumer' }, async (outer) => {
    expect(parseTraceparent(outer)?.traceId).toBe(TRACE);
    expect(outer).not.toBe(INCOMING);
    const inner = await withSpan('inner-step', {}, (traceparent) => Promise.resolve(traceparent));
    expect(parseTraceparent(inner)?.traceId).toBe(TRACE);
    expect(inner).not.toBe(outer);
    throw new Error('no broadcast');
  });
  await expect(failing).rejects.toThrow('no broadcast');
  await tracing.stop();

  const sent = Buffer.concat(received.map(({ body }) => body));
  expect(received[0]?.path).toBe('/v1/traces');
  for (const text of ['outer-step', 'inner-step', 'no broadcast', 'settlement']) expect(sent.includes(text)).toBe(true);
  expect(sent.includes(Buffer.from(TRACE, 'hex'))).toBe(true);
});
