import type { ServicePort } from '@finality/contracts';
import type { Runtime } from '@finality/kernel';
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  credentials,
  Metadata,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { activeTraceparent } from '../telemetry/tracing.ts';
import { MESSAGE_BYTES_MAX } from './shared-server.ts';

const TIMEOUT_MS_DEFAULT = 30_000;
const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
  // A peer that comes back is found again at once, not after a minute of ever longer pauses.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
};

export interface ServiceClientOptions {
  /** `127.0.0.1:50051` */
  readonly address: string;
  readonly runtime: Runtime;
  /** Sent as `authorization: Bearer <key>`. */
  readonly apiKey?: string;
  /** Default: no TLS. */
  readonly credentials?: ChannelCredentials;
  /** The name that the server's certificate has to be for, where the address has another. */
  readonly serverName?: string;
  /** Bound of every call. */
  readonly timeoutMs?: number;
}

export interface ServiceClient<Server> {
  readonly calls: ServicePort<Server>;
  close(): void;
}

/**
 * The unary calls of a generated service over the network, with the same face as in one process. A call rejects with grpc-js's ServiceError;
 * `refusalOf` tells what was refused and why.
 */
export function connectService<Server>(
  definition: ServiceDefinition,
  options: ServiceClientOptions,
): ServiceClient<Server> {
  const { address, runtime, apiKey, timeoutMs = TIMEOUT_MS_DEFAULT } = options;
  const client = new Client(address, options.credentials ?? credentials.createInsecure(), {
    ...CHANNEL_OPTIONS,
    ...(options.serverName === undefined ? {} : { 'grpc.ssl_target_name_override': options.serverName }),
  });
  const metadata = new Metadata();
  if (apiKey !== undefined) metadata.set('authorization', `Bearer ${apiKey}`);
  const calls: Record<string, (request: unknown) => Promise<unknown>> = {};
  for (const [name, method] of Object.entries(definition)) {
    if (method.requestStream || method.responseStream) continue;
    calls[name] = (request) =>
      new Promise((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = method;
        const deadline = runtime.now() + timeoutMs;
        client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
          traced(metadata),
          { deadline },
          (error, response) => (error ? reject(error) : resolve(response)),
        );
      });
  }
  return { calls: calls as ServicePort<Server>, close: () => client.close() };
}

/** With the span around the call, so that the other side's is its child. */
function traced(metadata: Metadata): Metadata {
  const traceparent = activeTraceparent();
  if (traceparent === undefined) return metadata;
  const own = metadata.clone();
  own.set('traceparent', traceparent);
  return own;
}
