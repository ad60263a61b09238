import type { handleUnaryCall } from '@grpc/grpc-js';

/**
 * The unary calls of a generated service as plain async functions: the port through which our own services call each other. Bound directly in
 * one process, to a gRPC client between processes. Refusals reject with the gRPC status that a remote call would give.
 */
export type ServicePort<Server> = {
  readonly [
    Method in keyof Server as Server[Method] extends handleUnaryCall<infer _Request, infer _Response> ? Method : never
  ]: Server[Method] extends handleUnaryCall<infer Request, infer Response>
    ? (request: Request) => Promise<Response>
    : never;
};
