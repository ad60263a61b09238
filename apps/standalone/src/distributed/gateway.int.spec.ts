import { once } from 'node:events';
import { settlementV1 } from '@finality/contracts';
import { silentLog, systemRuntime } from '@finality/service';
import { credentials, Metadata, Server, ServerCredentials, type ServerWritableStream, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Gateway, startGateway } from './gateway.ts';

const NAME = 'finality.settlement.v1.SettlementService';
const { SettlementServiceService: SERVICE, SettlementServiceClient } = settlementV1;
const EVENTS = 20_000;
const backend = new Server();
let port = 0;
let gateway: Gateway;
let client: settlementV1.SettlementServiceClient;
let cancelled: Promise<unknown> = Promise.resolve();

beforeAll(async () => {
  backend.addService(SERVICE, {
    watchSettlements: (
      call: ServerWritableStream<settlementV1.WatchSettlementsRequest, settlementV1.SettlementEvent>,
    ) => {
      if (call.request.afterCursor === 'for ever') {
        cancelled = once(call, 'cancelled');
        call.write(settlementV1.SettlementEvent.fromPartial({ cursor: 'first' }));
        return;
      }
      void (async () => {
        for (let i = 0; i < EVENTS; i++) {
          if (!call.write(settlementV1.SettlementEvent.fromPartial({ cursor: `${i}` }))) await once(call, 'drain');
        }
        const metadata = new Metadata();
        metadata.set('finality-cursor', call.metadata.get('asked')[0] as string);
        call.emit('error', { code: status.UNAVAILABLE, details: 'draining', metadata });
      })();
    },
  });
  port = await new Promise<number>((resolve, reject) =>
    backend.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  gateway = await startGateway({
    host: '127.0.0.1',
    port: 0,
    services: { [NAME]: SERVICE },
    backendOf: () => `127.0.0.1:${port}`,
    runtime: systemRuntime(),
    log: silentLog,
  });
  client = new SettlementServiceClient(`${gateway.host}:${gateway.port}`, credentials.createInsecure());
});

afterAll(async () => {
  client.close();
  await gateway.close();
  backend.forceShutdown();
});

it('hands on all of a stream, however slowly it is read, and the status with its metadata after it', async () => {
  const metadata = new Metadata();
  metadata.set('asked', 'cursor 7');
  const stream = client.watchSettlements({ afterCursor: '' }, metadata);
  const cursors: string[] = [];
  const ended = new Promise<{ code: number; details: string; metadata: Metadata }>((resolve) =>
    stream.on('error', (error) => resolve(error as never)),
  );
  stream.on('data', (event: settlementV1.SettlementEvent) => {
    cursors.push(event.cursor);
    if (cursors.length % 5_000 !== 0) return;
    stream.pause();
    setTimeout(() => stream.resume(), 100);
  });
  const { code, details, metadata: trailers } = await ended;
  await once(stream, 'end');
  expect([code, details, trailers.get('finality-cursor')]).toEqual([status.UNAVAILABLE, 'draining', ['cursor 7']]);
  expect(cursors).toEqual(Array.from({ length: EVENTS }, (_, i) => `${i}`));
});

it('tells the service when the client leaves', async () => {
  const stream = client.watchSettlements({ afterCursor: 'for ever' }, new Metadata());
  stream.on('error', () => undefined);
  await once(stream, 'data');
  stream.cancel();
  await cancelled;
});
