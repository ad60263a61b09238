import type { Runtime } from '@finality/kernel';
import type { EventTransport } from '@finality/messaging';
import {
  Server,
  ServerCredentials,
  type ServerOptions,
  type ServiceDefinition,
  setLogger,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { Log } from '../logging/log.ts';
import { errorMessage, StartupError } from '../startup-error.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { addReflection } from './reflection.ts';
import { type GrpcServices, SharedGrpcStrategy } from './strategy.ts';

const MEBIBYTE = 1024 * 1024;
const RECEIVE_BYTES_MAX = 4 * MEBIBYTE;
/** Of a message that a server of ours sends, and so of one that a client takes. */
export const MESSAGE_BYTES_MAX = 16 * MEBIBYTE;
const METADATA_BYTES_MAX = 16 * 1024;
const STREAMS_PER_CONNECTION_MAX = 1_000;

export interface SharedGrpcOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** The environment variable that sets the port, for the message when it is taken. */
  readonly portVariable: string;
  /** google.protobuf.FileDescriptorSet of all services, for reflection. */
  readonly descriptorSet: Uint8Array;
  readonly runtime: Runtime;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** Default: no TLS. */
  readonly credentials?: ServerCredentials;
}

/**
 * One gRPC port for several Nest apps: each gets a strategy of its own, then `listen` opens the port once all handlers are there. Health
 * and reflection are on. A service's health is NOT_SERVING until `setServing` says otherwise.
 */
export class SharedGrpcServer {
  readonly #options: SharedGrpcOptions;
  readonly #server: Server;
  readonly #health = new HealthImplementation({ '': 'NOT_SERVING' });
  readonly #draining = new AbortController();
  readonly #services: string[] = [];

  constructor(options: SharedGrpcOptions) {
    this.#options = options;
    this.#server = new Server(SERVER_OPTIONS);
    sendLibraryMessagesTo(options.log);
  }

  /** The `strategy` of one Nest app, for its topics too where `events` is given: `NestFactory.createMicroservice(Module, { strategy })`. */
  strategyFor(service: string, services: GrpcServices, events?: EventTransport): SharedGrpcStrategy {
    for (const name of Object.keys(services)) {
      this.#services.push(name);
      this.#health.setStatus(name, 'NOT_SERVING');
    }
    const { runtime, log, metrics } = this.#options;
    return new SharedGrpcStrategy({
      services,
      server: this.#server,
      draining: this.#draining.signal,
      runtime,
      log: log.child({ service }),
      ...(metrics && { metrics: metrics.forService(service) }),
      ...(events && { events }),
    });
  }

  /** A service that isn't Nest's: handlers as grpc-js has them. */
  addRaw(name: string, definition: ServiceDefinition, handlers: UntypedServiceImplementation): void {
    this.#services.push(name);
    this.#health.setStatus(name, 'NOT_SERVING');
    this.#server.addService(definition, handlers);
  }

  /** @throws StartupError PORT_TAKEN */
  async listen(): Promise<{ readonly host: string; readonly port: number }> {
    const { host, port, portVariable, credentials, descriptorSet } = this.#options;
    this.#health.addToServer(this.#server);
    addReflection(this.#server, descriptorSet, this.#services);
    const binding = { host, port, portVariable, credentials: credentials ?? ServerCredentials.createInsecure() };
    return { host, port: await bindServer(this.#server, binding) };
  }

  /** What the standard health service answers for one of the served services, or (`''`) for the whole. */
  setServing(service: string, serving: boolean): void {
    this.#health.setStatus(service, serving ? 'SERVING' : 'NOT_SERVING');
  }

  /** Full names of all that is served. */
  get services(): readonly string[] {
    return this.#services;
  }

  /**
   * Refuses new calls, tells streams to end (`callContext(call).signal`), lets unary calls finish until the deadline, then cuts off the rest.
   * @returns whether all calls ended by themselves
   */
  async stop(deadlineMs: number): Promise<boolean> {
    for (const name of ['', ...this.#services]) this.setServing(name, false);
    this.#draining.abort();
    const inTime = new AbortController();
    const drained = new Promise<boolean>((resolve) =>
      this.#server.tryShutdown((error) => resolve(error === undefined)),
    );
    const late = this.#options.runtime.sleep(deadlineMs, inTime.signal).then(() => false);
    const ended = await Promise.race([drained, late]);
    inTime.abort();
    if (!ended) {
      this.#options.log.warn({ deadlineMs }, 'gRPC calls were cut off at the deadline');
      this.#server.forceShutdown();
    }
    return ended;
  }
}

const SERVER_OPTIONS: ServerOptions = {
  'grpc.max_receive_message_length': RECEIVE_BYTES_MAX,
  'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
  'grpc.max_metadata_size': METADATA_BYTES_MAX,
  'grpc.max_concurrent_streams': STREAMS_PER_CONNECTION_MAX,
  // A client that vanished without a word is noticed within 40 s.
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
};

/** @returns the port. @throws StartupError PORT_TAKEN */
export function bindServer(
  server: Server,
  {
    host,
    port,
    portVariable,
    credentials,
  }: Required<Pick<SharedGrpcOptions, 'host' | 'port' | 'portVariable' | 'credentials'>>,
): Promise<number> {
  return new Promise((resolve, reject) =>
    server.bindAsync(`${host}:${port}`, credentials, (error, bound) =>
      error ? reject(portError(host, port, portVariable, error)) : resolve(bound),
    ),
  );
}

/** grpc-js writes to stderr otherwise, past the log. What it says of failures comes as errors too. */
function sendLibraryMessagesTo(log: Log): void {
  const write = (...parts: readonly unknown[]): void =>
    log.debug({ component: 'grpc-js' }, parts.map(String).join(' '));
  setLogger({ error: write, info: write, debug: write });
}

/** grpc-js gives all addresses' errors in one text. */
function portError(host: string, port: number, variable: string, cause: Error): StartupError {
  const message = errorMessage(cause);
  if (message.includes('EADDRINUSE')) return portTaken(host, port, variable, cause);
  return new StartupError(
    'PORT_UNUSABLE',
    `can't listen on ${host}:${port}: ${message}`,
    `Correct ${variable} or the host`,
    { cause },
  );
}

export function portTaken(host: string, port: number, variable: string, cause?: unknown): StartupError {
  return new StartupError(
    'PORT_TAKEN',
    `port ${port} on ${host} is taken by another program`,
    `Stop that program, or set ${variable} to another port (0 takes a free one)`,
    { cause },
  );
}
