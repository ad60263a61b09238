import { readFile } from 'node:fs/promises';
import { DESCRIPTORS_URL } from '@finality/contracts';
import type { Runtime } from '@finality/kernel';
import { type GrpcServices, type Log, SharedGrpcServer } from '@finality/service';
import {
  type ClientDuplexStream,
  Client,
  credentials,
  type Metadata,
  type ServerDuplexStream,
  type ServiceDefinition,
  status,
  type StatusObject,
} from '@grpc/grpc-js';

const DRAIN_MS_MAX = 2_000;

export interface GatewayOptions {
  readonly host: string;
  readonly port: number;
  readonly services: GrpcServices;
  /** host:port of the process that serves this gRPC service right now. */
  readonly backendOf: (service: string) => string;
  readonly runtime: Runtime;
  readonly log: Log;
}

export interface Gateway {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

type Call = ServerDuplexStream<Buffer, Buffer>;

const asIs = (bytes: Buffer): Buffer => bytes;

/**
 * One gRPC address for all services on this machine, as an ingress would be in a cluster: hands every call on to the process that has its
 * service, bytes and metadata as they are. On the wire every kind of call is a stream of requests and a stream of answers.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { host, port, runtime, log } = options;
  const server = new SharedGrpcServer({
    host,
    port,
    portVariable: 'GRPC_PORT',
    descriptorSet: await readFile(DESCRIPTORS_URL),
    runtime,
    log,
  });
  const clients = new Map<string, Client>();
  const clientOf = (service: string): Client => {
    const address = options.backendOf(service);
    const known = clients.get(address);
    if (known) return known;
    const client = new Client(address, credentials.createInsecure(), {
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
    });
    clients.set(address, client);
    return client;
  };
  for (const [name, definition] of Object.entries(options.services)) {
    const methods = Object.entries(definition);
    const raw: ServiceDefinition = Object.fromEntries(
      methods.map(([method, { path }]) => [
        method,
        {
          path,
          requestStream: true,
          responseStream: true,
          requestSerialize: asIs,
          requestDeserialize: asIs,
          responseSerialize: asIs,
          responseDeserialize: asIs,
        },
      ]),
    );
    const handlers = methods.map(([method, { path }]): [string, (call: Call) => void] => [
      method,
      (call) => handOn(call, clientOf(name), path),
    ]);
    server.addRaw(name, raw, Object.fromEntries(handlers));
  }
  const bound = await server.listen();
  for (const name of ['', ...Object.keys(options.services)]) server.setServing(name, true);
  return {
    ...bound,
    close: async () => {
      await server.stop(DRAIN_MS_MAX);
      for (const client of clients.values()) client.close();
    },
  };
}

function handOn(call: Call, client: Client, path: string): void {
  const onward: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(path, asIs, asIs, call.metadata, {
    deadline: call.getDeadline(),
  });
  call.on('cancelled', () => onward.cancel());
  call.on('error', () => onward.cancel());
  passOn(call, onward);
  call.on('end', () => onward.end());
  onward.on('metadata', (metadata: Metadata) => call.sendMetadata(metadata));
  passOn(onward, call);
  // The status says it too.
  onward.on('error', () => undefined);
  // The status is told when it comes, which may be before a slow reader has got what came before it.
  const handedOn = new Promise<void>((resolve) => onward.once('end', resolve));
  onward.on('status', ({ code, details, metadata }: StatusObject) => {
    void handedOn.then(() => {
      if (code === status.OK) call.end(metadata);
      else call.emit('error', { code, details, metadata });
    });
  });
}

interface Source {
  on(event: 'data', listener: (bytes: Buffer) => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

interface Target {
  write(bytes: Buffer): boolean;
  once(event: 'drain', listener: () => void): unknown;
}

/** As fast as the other side takes it. */
function passOn(source: Source, target: Target): void {
  source.on('data', (bytes) => {
    if (target.write(bytes)) return;
    source.pause();
    target.once('drain', () => source.resume());
  });
}
