import type { ServiceName } from '@finality/contracts';
import { assert, refusal, type Runtime } from '@finality/kernel';
import {
  type sendUnaryData,
  Server,
  type ServerUnaryCall,
  type ServiceDefinition,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { correlationIdOf, traceparentOf } from '../grpc/call-context.ts';
import { RefusalException, statusOfError } from '../grpc/refusal-status.ts';
import { bindServer, MESSAGE_BYTES_MAX } from '../grpc/shared-server.ts';
import type { Log } from '../logging/log.ts';
import { withSpan } from '../telemetry/tracing.ts';
import { serverCredentials, serviceOf } from './tls.ts';
import type { TlsIdentity } from './tls-identity.ts';

/** What other services of ours may call: a generated service, and who may call which of its methods. */
export interface InternalService {
  readonly definition: ServiceDefinition;
  /** By the method's name as generated (`signTransaction`). Every method has an entry. */
  readonly callers: Readonly<Record<string, readonly ServiceName[]>>;
}

export interface InternalServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly tls: TlsIdentity;
  readonly runtime: Runtime;
  readonly log: Log;
}

/** The calls of a `ServicePort`, whose types the definition has. */
type Calls = Readonly<Record<string, (request: unknown) => Promise<unknown>>>;

/**
 * gRPC between our own services, each known by its certificate (mutual TLS), each allowed what its part needs and nothing else. Unary calls only.
 */
export class InternalServer {
  readonly #options: InternalServerOptions;
  readonly #server = new Server({
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
  });

  constructor(options: InternalServerOptions) {
    this.#options = options;
  }

  /** @param port a `ServicePort` of the definition's service */
  serve({ definition, callers }: InternalService, port: object): void {
    const calls = port as Calls;
    const handlers = Object.entries(definition).map(([name, { path }]): [string, UntypedHandleCall] => {
      const allowed = callers[name];
      const call = calls[name];
      assert(allowed !== undefined && call !== undefined, `${path} has callers and a handler`);
      return [name, this.#handler(path, allowed, (request) => call.call(port, request))];
    });
    this.#server.addService(definition, Object.fromEntries(handlers));
  }

  /** @throws StartupError PORT_TAKEN */
  async listen(): Promise<{ readonly host: string; readonly port: number }> {
    const { host, port, tls } = this.#options;
    const credentials = serverCredentials(tls);
    return { host, port: await bindServer(this.#server, { host, port, portVariable: 'INTERNAL_PORT', credentials }) };
  }

  /** Lets calls finish until the deadline, then cuts off the rest. */
  async stop(deadlineMs: number): Promise<void> {
    const inTime = new AbortController();
    const drained = new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    await Promise.race([drained, this.#options.runtime.sleep(deadlineMs, inTime.signal)]);
    inTime.abort();
    this.#server.forceShutdown();
  }

  #handler(path: string, allowed: readonly string[], work: (request: unknown) => Promise<unknown>): UntypedHandleCall {
    const { runtime, log } = this.#options;
    return (call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>): void => {
      const handled = withSpan(
        path.slice(1),
        { traceparent: traceparentOf(call.metadata, runtime), kind: 'server' },
        () => {
          const caller = serviceOf(call.getAuthContext().sslPeerCertificate ?? {});
          if (caller === undefined || !allowed.includes(caller)) {
            const message = `${caller ?? 'whoever this certificate is for'} may not call ${path}`;
            throw new RefusalException(refusal('permission_denied', 'CALLER_NOT_ALLOWED', message));
          }
          return work(call.request);
        },
      );
      handled.then(
        (response) => answer(null, response),
        (error: unknown) => answer(statusOfError(error, correlationIdOf(call.metadata, runtime), log)),
      );
    };
  }
}
