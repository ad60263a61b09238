import 'reflect-metadata';
import { readFile } from 'node:fs/promises';
import { connect, constants } from 'node:http2';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { ledgerV1, settlementV1 } from '@finality/contracts';
import { invalid, fieldError, refusal } from '@finality/kernel';
import {
  type ClientDuplexStream,
  credentials,
  Metadata,
  type ServerDuplexStream,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { Controller, type INestMicroservice, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { GrpcMethod, GrpcStreamCall } from '@nestjs/microservices';
import { afterEach, describe, expect, test } from 'vitest';
import { type Log, silentLog } from '../logging/log.ts';
import { systemRuntime } from '../runtime/system-runtime.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { callContext } from './call-context.ts';
import { PassOnErrors } from './error-filter.ts';
import { refusalOf, toRpcException } from './refusal-status.ts';
import { filesOf } from './reflection.ts';
import { SharedGrpcServer } from './shared-server.ts';
import { inBatches, requestsOf } from './streams.ts';
import { UnaskedLedgerRpcs, UnaskedSettlementRpcs } from './unasked-rpcs.fixture.ts';

const BEYOND_NUMBER = 9_007_199_254_740_993n;
const DESCRIPTORS = new URL('../../../contracts/src/generated/descriptors.binpb', import.meta.url);
const runtime = systemRuntime();
/** Never ends by itself: a call that is under way. */
let release: () => void = () => undefined;
const seen: string[] = [];

@Controller()
class LedgerRpcs {
  @GrpcMethod('LedgerService', 'getBalances')
  async getBalances(
    request: ledgerV1.GetBalancesRequest,
    _metadata: Metadata,
    call: object,
  ): Promise<ledgerV1.GetBalancesResponse> {
    if (request.institutionId === '')
      throw toRpcException(invalid(fieldError('institution_id', 'expected an id, got nothing')));
    if (request.institutionId === 'bug') throw new Error('the password is hunter2');
    if (request.institutionId === 'slow') {
      seen.push('slow call started');
      await new Promise<void>((resolve) => (release = resolve));
    }
    seen.push(callContext(call).correlationId, callContext(call).traceparent);
    return {
      balances: [ledgerV1.ClaimBalance.fromPartial({ claim: 'clearing', unit: 'BTC', available: BEYOND_NUMBER })],
      throughEntry: 0n,
    };
  }
  @GrpcMethod('LedgerService', 'listEntries')
  listEntries(): ledgerV1.ListEntriesResponse {
    return { entries: [], nextPageToken: '' };
  }
  @GrpcMethod('LedgerService', 'getInclusionProof')
  getInclusionProof(): ledgerV1.InclusionProof {
    return { entry: undefined, path: [], head: undefined };
  }
  @GrpcMethod('LedgerService', 'listLedgerHeads')
  listLedgerHeads(): ledgerV1.ListLedgerHeadsResponse {
    return { heads: [], nextSegment: 0, anchors: [] };
  }
}

@Module({ controllers: [LedgerRpcs, UnaskedLedgerRpcs] })
class LedgerModule {}

const settlement = (id: string): settlementV1.Settlement => settlementV1.Settlement.fromPartial({ settlementId: id });
let produced = 0;

@Controller()
class SettlementRpcs {
  @GrpcMethod('SettlementService', 'submitSettlement')
  submitSettlement(): settlementV1.Settlement {
    return settlement('one');
  }
  @GrpcStreamCall('SettlementService', 'submitSettlements')
  async *submitSettlements(
    call: ServerDuplexStream<settlementV1.SubmitSettlementRequest, settlementV1.SubmitSettlementResult>,
  ) {
    let index = 0n;
    for await (const batch of inBatches(requestsOf(call), 100)) {
      for (const { idempotencyKey, amountSats } of batch) {
        if (idempotencyKey === 'stop')
          throw toRpcException(refusal('unavailable', 'SHUTTING_DOWN', 'try again', { retryable: true }));
        const result = settlementV1.Settlement.fromPartial({ amountSats });
        yield settlementV1.SubmitSettlementResult.fromPartial({ index: index++, idempotencyKey, settlement: result });
      }
    }
  }
  @GrpcMethod('SettlementService', 'watchSettlements')
  async *watchSettlements(request: settlementV1.WatchSettlementsRequest, _metadata: Metadata, call: object) {
    const { signal } = callContext(call);
    for (produced = 0; request.afterCursor === 'flood' && produced < 100_000; produced++) {
      const referenceId = 'x'.repeat(10_000);
      yield settlementV1.SettlementEvent.fromPartial({ cursor: `${produced}`, settlement: { referenceId } });
    }
    yield settlementV1.SettlementEvent.fromPartial({ cursor: 'first' });
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    seen.push(`watch ended: ${String(signal.reason)}`);
    throw toRpcException(refusal('unavailable', 'SHUTTING_DOWN', 'go on from the cursor', { retryable: true }), {
      'finality-cursor': 'first',
    });
  }
  @GrpcMethod('SettlementService', 'getSettlement')
  getSettlement(): settlementV1.Settlement {
    throw toRpcException(refusal('not_found', 'UNKNOWN_SETTLEMENT', 'no such settlement'));
  }
  @GrpcMethod('SettlementService', 'listSettlements')
  listSettlements(): settlementV1.ListSettlementsResponse {
    return { settlements: [], nextPageToken: '' };
  }
  @GrpcMethod('SettlementService', 'estimateFees')
  estimateFees(): settlementV1.EstimateFeesResponse {
    return { estimates: [], estimatedAt: undefined };
  }

  @GrpcMethod('SettlementService', 'bumpFee')
  bumpFee(): settlementV1.Settlement {
    return settlement('bumped');
  }

  @GrpcMethod('SettlementService', 'preparePsbt')
  preparePsbt(): never {
    throw toRpcException(refusal('not_found', 'UNKNOWN_SETTLEMENT', 'no such settlement'));
  }

  @GrpcMethod('SettlementService', 'submitSignedPsbt')
  submitSignedPsbt(): never {
    throw toRpcException(refusal('not_found', 'UNKNOWN_SETTLEMENT', 'no such settlement'));
  }

  @GrpcMethod('SettlementService', 'cancelSettlement')
  cancelSettlement(): settlementV1.Settlement {
    return settlement('cancelled');
  }
  @GrpcMethod('SettlementService', 'reviewSettlement')
  reviewSettlement(): settlementV1.Settlement {
    return settlement('reviewed');
  }

  @GrpcMethod('SettlementService', 'listDeposits')
  listDeposits(): settlementV1.ListDepositsResponse {
    return { deposits: [], nextPageToken: '' };
  }

  @GrpcMethod('SettlementService', 'reviewDeposit')
  reviewDeposit(): never {
    throw toRpcException(refusal('not_found', 'UNKNOWN_DEPOSIT', 'no such deposit'));
  }
}

@Module({ controllers: [SettlementRpcs, UnaskedSettlementRpcs] })
class SettlementModule {}

const LEDGER = { 'finality.ledger.v1.LedgerService': ledgerV1.LedgerServiceService };
const SETTLEMENT = { 'finality.settlement.v1.SettlementService': settlementV1.SettlementServiceService };

interface Started {
  readonly server: SharedGrpcServer;
  readonly metrics: Metrics;
  readonly ledger: ledgerV1.LedgerServiceClient;
  readonly settlements: settlementV1.SettlementServiceClient;
  readonly port: number;
}
const cleanups: (() => Promise<unknown> | void)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
  seen.length = 0;
});

async function start(log: Log = silentLog): Promise<Started> {
  const metrics = new Metrics(silentLog);
  const descriptorSet = await readFile(DESCRIPTORS);
  const server = new SharedGrpcServer({
    host: '127.0.0.1',
    port: 0,
    portVariable: 'GRPC_PORT',
    descriptorSet,
    runtime,
    log,
    metrics,
  });
  const apps: INestMicroservice[] = [];
  for (const [module, service, services] of [
    [LedgerModule, 'ledger', LEDGER],
    [SettlementModule, 'settlement', SETTLEMENT],
  ] as const) {
    const app = await NestFactory.createMicroservice(module, {
      strategy: server.strategyFor(service, services),
      logger: false,
    });
    app.useGlobalFilters(new PassOnErrors());
    await app.listen();
    apps.push(app);
  }
  const { port } = await server.listen();
  const address = `127.0.0.1:${port}`;
  const ledger = new ledgerV1.LedgerServiceClient(address, credentials.createInsecure());
  const settlements = new settlementV1.SettlementServiceClient(address, credentials.createInsecure());
  cleanups.push(
    () => server.stop(200),
    ...apps.map((app) => () => app.close()),
    () => ledger.close(),
    () => settlements.close(),
  );
  return { server, metrics, ledger, settlements, port };
}

function balances(
  ledger: ledgerV1.LedgerServiceClient,
  institutionId: string,
  metadata = new Metadata(),
): Promise<ledgerV1.GetBalancesResponse> {
  return new Promise((resolve, reject) =>
    ledger.getBalances({ institutionId }, metadata, (error, response) => (error ? reject(error) : resolve(response))),
  );
}

const failureOf = (promise: Promise<unknown>): Promise<ServiceError> =>
  promise.then(
    () => Promise.reject(new Error('expected a failure')),
    (error: ServiceError) => error,
  );

describe('unary calls', () => {
  test('two Nest apps answer on one port; 64-bit amounts are exact', async () => {
    const { ledger, settlements, metrics } = await start();
    expect((await balances(ledger, 'bank')).balances[0]?.available).toBe(BEYOND_NUMBER);
    const cancelled = await new Promise((resolve, reject) =>
      settlements.cancelSettlement({ idempotencyKey: 'k', settlementId: 'x', reason: '' }, (error, response) =>
        error ? reject(error) : resolve(response),
      ),
    );
    expect(cancelled).toMatchObject({ settlementId: 'cancelled' });
    expect((await metrics.render()).body).toContain(
      'finality_grpc_seconds_count{method="finality.ledger.v1.LedgerService/GetBalances",code="OK",service="ledger"} 1',
    );
  });

  test('a refusal arrives with its code, reason and fields', async () => {
    const { ledger } = await start();
    const error = await failureOf(balances(ledger, ''));
    expect(error.code).toBe(status.INVALID_ARGUMENT);
    expect(refusalOf(error)).toEqual(invalid(fieldError('institution_id', 'expected an id, got nothing')));
  });

  test('a bug is INTERNAL with a correlation id; its cause is in the log and not on the wire', async () => {
    const logged: object[] = [];
    const log: Log = { ...silentLog, error: (fields) => logged.push(fields), child: () => log };
    const { ledger } = await start(log);
    const metadata = new Metadata();
    metadata.set('x-correlation-id', 'ticket-7');
    const error = await failureOf(balances(ledger, 'bug', metadata));
    expect(error.code).toBe(status.INTERNAL);
    expect(error.details).toContain('ticket-7');
    expect(JSON.stringify([error.details, error.metadata.getMap()])).not.toContain('hunter2');
    expect(refusalOf(error)).toBeUndefined();
    expect(logged).toMatchObject([{ correlationId: 'ticket-7', err: { message: 'the password is hunter2' } }]);
  });

  test('the trace of the caller goes on; a malformed one is replaced', async () => {
    const { ledger } = await start();
    const metadata = new Metadata();
    const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`;
    metadata.set('traceparent', traceparent);
    await balances(ledger, 'bank', metadata);
    metadata.set('traceparent', 'nonsense');
    await balances(ledger, 'bank', metadata);
    expect(seen[1]).toBe(traceparent);
    expect(seen[3]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  });
});

async function collect<T>(stream: AsyncIterable<T>): Promise<{ items: T[]; error?: ServiceError }> {
  const items: T[] = [];
  try {
    for await (const item of stream) items.push(item);
    return { items };
  } catch (error) {
    return { items, error: error as ServiceError };
  }
}

describe('streams', () => {
  type Submit = ClientDuplexStream<settlementV1.SubmitSettlementRequest, settlementV1.SubmitSettlementResult>;
  const send = (call: Submit, ...keys: readonly string[]): void => {
    for (const idempotencyKey of keys)
      call.write(settlementV1.SubmitSettlementRequest.fromPartial({ idempotencyKey, amountSats: BEYOND_NUMBER }));
  };

  test('every request of a stream is answered, in order', async () => {
    const { settlements } = await start();
    const call = settlements.submitSettlements();
    const keys = Array.from({ length: 1_000 }, (_, i) => `key-${i}`);
    send(call, ...keys);
    call.end();
    const { items, error } = await collect(call);
    expect(error).toBeUndefined();
    expect(items.map(({ idempotencyKey }) => idempotencyKey)).toEqual(keys);
    expect(items.at(-1)).toMatchObject({ index: 999n, settlement: { amountSats: BEYOND_NUMBER } });
  });

  test('a refusal ends the stream after what was answered', async () => {
    const { settlements } = await start();
    const call = settlements.submitSettlements();
    send(call, 'a', 'b', 'stop', 'c');
    const { items, error } = await collect(call);
    expect(items.map(({ idempotencyKey }) => idempotencyKey)).toEqual(['a', 'b']);
    expect(error && refusalOf(error)).toMatchObject({ kind: 'unavailable', reason: 'SHUTTING_DOWN', retryable: true });
  });

  test('a client that doesn’t read holds up the handler, not the memory; when it leaves, the handler ends', async () => {
    const { port } = await start();
    // grpc-js as a client reads ahead without bound, so this one is plain HTTP/2: nobody takes what arrives.
    const session = connect(`http://127.0.0.1:${port}`);
    cleanups.push(() => session.destroy());
    const path = settlementV1.SettlementServiceService.watchSettlements.path;
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => undefined);
    const message = settlementV1.WatchSettlementsRequest.encode({ afterCursor: 'flood' }).finish();
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
    await expect.poll(async () => produced > 0 && produced === (await runtime.sleep(200), produced)).toBe(true);
    const atRest = produced;
    expect(atRest).toBeLessThan(1_000);
    stream.close(constants.NGHTTP2_CANCEL);
    await runtime.sleep(300);
    expect(produced).toBeLessThan(atRest + 5);
  });

  test('a watcher that is cancelled learns of it', async () => {
    const { settlements } = await start();
    const call = settlements.watchSettlements({ afterCursor: '' });
    call.on('error', () => undefined);
    await once(call, 'data');
    call.cancel();
    await expect.poll(() => seen).toContain('watch ended: cancelled');
  });
});

describe('the server', () => {
  test('stops by letting calls finish and telling watchers, with their cursor', async () => {
    const { server, settlements, ledger } = await start();
    const watch = settlements.watchSettlements({ afterCursor: '' });
    const watched = collect(watch);
    const slow = balances(ledger, 'slow');
    await once(watch, 'data').catch(() => undefined);
    await expect.poll(() => seen).toContain('slow call started');
    const stopped = server.stop(5_000);
    const { error } = await watched;
    expect(error?.code).toBe(status.UNAVAILABLE);
    expect(error?.metadata.get('finality-cursor')).toEqual(['first']);
    release();
    expect((await slow).balances).toHaveLength(1);
    expect(await stopped).toBe(true);
  });

  test('cuts off what isn’t done at the deadline', async () => {
    const { server, ledger } = await start();
    const slow = failureOf(balances(ledger, 'slow'));
    await expect.poll(() => seen).toContain('slow call started');
    expect(await server.stop(100)).toBe(false);
    expect([status.UNAVAILABLE, status.CANCELLED, status.INTERNAL]).toContain((await slow).code);
    release();
  });

  test('says which port is taken and how to change it', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const address = blocker.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const server = new SharedGrpcServer({
      host: '127.0.0.1',
      port,
      portVariable: 'GRPC_PORT',
      descriptorSet: new Uint8Array(),
      runtime,
      log: silentLog,
    });
    await expect(server.listen()).rejects.toMatchObject({
      code: 'PORT_TAKEN',
      remedy: expect.stringContaining('GRPC_PORT') as string,
    });
    blocker.close();
  });

  test('doesn’t start with an RPC that nobody handles', async () => {
    @Module({ controllers: [LedgerRpcs, UnaskedLedgerRpcs] })
    class Incomplete {}
    const server = new SharedGrpcServer({
      host: '127.0.0.1',
      port: 0,
      portVariable: 'GRPC_PORT',
      descriptorSet: new Uint8Array(),
      runtime,
      log: silentLog,
    });
    const app = await NestFactory.createMicroservice(Incomplete, {
      strategy: server.strategyFor('x', { ...LEDGER, ...SETTLEMENT }),
      logger: false,
    });
    await expect(app.listen()).rejects.toThrow(
      /SettlementService has no handler for submitSettlement, submitSettlements/,
    );
  });

  test('answers health and reflection', async () => {
    const { server, port } = await start();
    // Another implementation than the server's: the descriptors that the packages bring, loaded at run time as a generic tool does.
    const require = createRequire(import.meta.url);
    const health = await dynamicClient(
      require.resolve('grpc-health-check/proto/health/v1/health.proto'),
      'grpc.health.v1.Health',
      port,
    );
    const check = (service: string): Promise<unknown> => unary(health, 'Check', { service });
    expect(await check('finality.ledger.v1.LedgerService')).toEqual({ status: 'NOT_SERVING' });
    server.setServing('finality.ledger.v1.LedgerService', true);
    expect(await check('finality.ledger.v1.LedgerService')).toEqual({ status: 'SERVING' });

    const proto = require.resolve('@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto');
    const reflection = await dynamicClient(proto, 'grpc.reflection.v1.ServerReflection', port);
    const listed = await reflect(reflection, { listServices: '*' });
    expect(listed).toMatchObject({
      listServicesResponse: {
        service: [
          { name: 'finality.ledger.v1.LedgerService' },
          { name: 'finality.settlement.v1.SettlementService' },
          { name: 'grpc.health.v1.Health' },
        ].map((each) => expect.objectContaining(each) as unknown),
      },
    });
    const found = await reflect(reflection, { fileContainingSymbol: 'finality.settlement.v1.SettlementService' });
    expect(JSON.stringify(found)).not.toContain('errorResponse":{');
  });

  test('splits a descriptor set into its files', async () => {
    const files = filesOf(await readFile(DESCRIPTORS));
    expect(files.length).toBeGreaterThan(10);
    expect(files.some((file) => file.includes('finality/settlement/v1/settlement_service.proto'))).toBe(true);
    expect(() => filesOf(new Uint8Array([0x0a, 5, 1]))).toThrow('cut off');
  });
});

interface DynamicClient {
  readonly [method: string]: (...args: readonly unknown[]) => unknown;
}

async function dynamicClient(proto: string, name: string, port: number): Promise<DynamicClient> {
  const { loadPackageDefinition } = await import('@grpc/grpc-js');
  const { load } = await import('@grpc/proto-loader');
  const packages: unknown = loadPackageDefinition(await load(proto, { enums: String, oneofs: true }));
  const service = name.split('.').reduce<unknown>((node, part) => (node as Record<string, unknown>)[part], packages);
  const client = new (service as new (...args: unknown[]) => DynamicClient & { close(): void })(
    `127.0.0.1:${port}`,
    credentials.createInsecure(),
  );
  cleanups.push(() => client.close());
  return client;
}

function unary(client: DynamicClient, method: string, request: object): Promise<unknown> {
  return new Promise((resolve, reject) =>
    client[method]?.(request, (error: Error | null, response: unknown) => (error ? reject(error) : resolve(response))),
  );
}

async function reflect(client: DynamicClient, request: object): Promise<unknown> {
  const stream = client['ServerReflectionInfo']?.() as ClientDuplexStream<object, object>;
  stream.write(request);
  const [response] = (await once(stream, 'data')) as [unknown];
  stream.end();
  return response;
}
