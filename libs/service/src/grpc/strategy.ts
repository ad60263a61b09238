import type { EventEmitter } from 'node:events';
import { assert, type Runtime } from '@finality/kernel';
import {
  type sendUnaryData,
  type Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  status,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import type { EventTransport } from '@finality/messaging';
import { type MessageHandler, ServerGrpc } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import type { Log } from '../logging/log.ts';
import { SECONDS_BUCKETS, type ServiceMetrics } from '../telemetry/metrics.ts';
import { withSpan } from '../telemetry/tracing.ts';
import { type CallEnd, correlationIdOf, setCallContext, traceparentOf } from './call-context.ts';
import { statusOfError } from './refusal-status.ts';
import { writeAll } from './streams.ts';

/** The gRPC services of one Nest app, by full name, as generated. */
export type GrpcServices = Readonly<Record<string, ServiceDefinition>>;

export interface StrategyOptions {
  readonly services: GrpcServices;
  /** The common server; `SharedGrpcServer` binds and stops it. */
  readonly server: Server;
  /** Aborts when the server is about to stop. */
  readonly draining: AbortSignal;
  readonly runtime: Runtime;
  readonly log: Log;
  readonly metrics?: ServiceMetrics;
  /** Takes the app's handlers of topics: an app has one strategy, and this is it for its RPCs. Closed with the app. */
  readonly events?: EventTransport;
}

type Handler = (...args: readonly unknown[]) => unknown;
type AnyCall =
  ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>;

/**
 * Nest's gRPC transport for one app on a server that several apps share. Beyond Nest's own: every RPC must have a handler; a stream's
 * handler is an async generator (`@GrpcMethod` for a server stream, `@GrpcStreamCall` when the client streams too) whose values are
 * written as fast as the client reads; a Buffer is taken for an encoded response; refusals become statuses with details, anything else
 * INTERNAL; traces, metrics, correlation ids.
 */
export class SharedGrpcStrategy extends ServerGrpc {
  override readonly propagatesEventHandlerErrors = true;
  readonly #options: StrategyOptions;
  /** Of the calls that haven't ended. A signal is slow to listen to where many do: they have one listener. */
  readonly #underWay = new Set<AbortController>();
  readonly #seconds: { observe(value: number, labels: { method: string; code: string }): void } | undefined;

  constructor(options: StrategyOptions) {
    const packages = new Set(Object.keys(options.services).map((name) => name.slice(0, name.lastIndexOf('.'))));
    super({ package: [...packages], packageDefinition: takingEncoded(options.services) });
    this.#options = options;
    const drain = (): void => this.#underWay.forEach((call) => call.abort('draining' satisfies CallEnd));
    options.draining.addEventListener('abort', drain, { once: true });
    this.#seconds = options.metrics?.histogram(
      'finality_grpc_seconds',
      'Duration of gRPC calls by outcome',
      SECONDS_BUCKETS,
      ['method', 'code'],
    );
  }

  override addHandler(pattern: unknown, callback: MessageHandler, isEventHandler = false): void {
    if (isEventHandler && this.#options.events) this.#options.events.addHandler(pattern, callback, true);
    else super.addHandler(pattern, callback, isEventHandler);
  }

  override createClient(): Promise<Server> {
    return Promise.resolve(this.#options.server);
  }

  /** The server is shared: one app's end isn't its end. */
  override async close(): Promise<void> {
    await this.#options.events?.close();
  }

  override async createService(
    grpcService: { prototype: object },
    name: string,
  ): Promise<Record<string, UntypedHandleCall>> {
    const handlers = (await super.createService(grpcService, name)) as Record<string, UntypedHandleCall>;
    const missing = Object.keys(grpcService.prototype).filter((method) => !(method in handlers));
    assert(missing.length === 0, `gRPC service ${name} has no handler for ${missing.join(', ')}`);
    return handlers;
  }

  override createUnaryServiceMethod(handler: Handler): UntypedHandleCall {
    return (call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>): void => {
      void this.#serve(call, async () => {
        const result = await resolved(handler(call.request, call.metadata, call));
        callback(null, result);
      }).then((failure) => failure && callback(failure));
    };
  }

  override createStreamServiceMethod(handler: Handler): UntypedHandleCall {
    return (call: ServerWritableStream<unknown, unknown>): void =>
      this.#stream(call, () => handler(call.request, call.metadata, call));
  }

  override createStreamCallMethod(handler: Handler, isResponseStream: boolean): () => Promise<void> {
    assert(isResponseStream, 'a client stream with a single response is not supported: nothing here has one');
    // The base class returns what its types say; gRPC calls it with the call.
    return ((call: ServerDuplexStream<unknown, unknown>) =>
      this.#stream(call, () => handler(call))) as () => Promise<void>;
  }

  override createRequestStreamMethod(): never {
    throw new Error('@GrpcStreamMethod buffers without bound: use @GrpcStreamCall');
  }

  #stream(
    call: ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>,
    handle: () => unknown,
  ): void {
    void this.#serve(call, async () => {
      const responses = await resolved(handle());
      assert(isAsyncIterable(responses), 'the handler of a stream is an async generator');
      await writeAll(responses, call, this.#options.runtime);
      call.end();
    }).then((failure) => failure && call.emit('error', failure));
  }

  /** @returns the status to send when the work failed; never rejects, for nobody would notice */
  async #serve(call: AnyCall, work: () => Promise<void>): Promise<Error | undefined> {
    const { runtime, log } = this.#options;
    const startedMs = runtime.monotonicMs();
    const correlationId = correlationIdOf(call.metadata, runtime);
    const incoming = traceparentOf(call.metadata, runtime);
    const method = call.getPath().slice(1);
    let code: status = status.OK;
    let failure: Error | undefined;
    const ends = this.#watchEnd(call);
    try {
      await withSpan(method, { traceparent: incoming, kind: 'server' }, (traceparent = incoming) => {
        setCallContext(call, { correlationId, traceparent, signal: ends.signal });
        return work();
      });
    } catch (error) {
      const refused = statusOfError(error, correlationId, log);
      code = refused.code;
      failure = Object.assign(new Error(refused.details), refused);
    } finally {
      ends.forget();
    }
    if (call.cancelled) code = status.CANCELLED;
    this.#seconds?.observe((runtime.monotonicMs() - startedMs) / 1000, { method, code: status[code] });
    return call.cancelled ? undefined : failure;
  }

  #watchEnd(call: EventEmitter): { signal: AbortSignal; forget: () => void } {
    const controller = new AbortController();
    call.once('cancelled', () => controller.abort('cancelled' satisfies CallEnd));
    if (this.#options.draining.aborted) controller.abort('draining' satisfies CallEnd);
    this.#underWay.add(controller);
    return { signal: controller.signal, forget: () => void this.#underWay.delete(controller) };
  }
}

/** The same services, whose methods may answer with what is encoded already. */
function takingEncoded(services: GrpcServices): GrpcServices {
  const taking = <Method extends ServiceDefinition[string]>({ responseSerialize, ...method }: Method): Method =>
    ({
      ...method,
      responseSerialize: (value) => (Buffer.isBuffer(value) ? value : responseSerialize(value)),
    }) as Method;
  return mapEntries(services, (service) => mapEntries(service, taking));
}

function mapEntries<Value, Result>(
  record: Readonly<Record<string, Value>>,
  map: (value: Value) => Result,
): Record<string, Result> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]));
}

/** What a handler gave, be it a value, a promise or (from Nest's filters and interceptors) an observable. */
async function resolved(result: unknown): Promise<unknown> {
  const settled: unknown = await result;
  return isObservable(settled) ? lastValueFrom(settled) : settled;
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}
