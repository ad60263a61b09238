import type { ServicePort } from '@finality/contracts';
import type { Runtime } from '@finality/kernel';
import { type ChannelCredentials, Client, credentials, Metadata, type ServiceDefinition } from '@grpc/grpc-js';

const TIMEOUT_MS_DEFAULT = 30_000;

export interface ServiceClientOptions {
  /** `127.0.0.1:50051` */
  readonly address: string;
  readonly runtime: Runtime;
  /** Sent as `authorization: Bearer <key>`. */
  readonly apiKey?: string;
  /** Default: no TLS. */
  readonly credentials?: ChannelCredentials;
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
  const client = new Client(address, options.credentials ?? credentials.createInsecure());
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
          metadata,
          { deadline },
          (error, response) => (error ? reject(error) : resolve(response)),
        );
      });
  }
  return { calls: calls as ServicePort<Server>, close: () => client.close() };
}
