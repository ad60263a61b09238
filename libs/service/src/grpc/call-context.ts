import type { Runtime } from '@finality/kernel';
import type { Metadata } from '@grpc/grpc-js';
import { newTraceparent, parseTraceparent } from '../telemetry/tracing.ts';

/** Why a call has to end although its handler isn't done: the client left, or the server is shutting down (`draining`). */
export type CallEnd = 'cancelled' | 'draining';

/** What the server knows of a call beyond its request; see `callContext`. */
export interface CallContext {
  /** Of the client's choice (metadata `x-correlation-id`), else ours. */
  readonly correlationId: string;
  /** W3C trace context to write into what this call causes. */
  readonly traceparent: string;
  /** Aborts with a `CallEnd` as its reason. A stream's handler has to end then. */
  readonly signal: AbortSignal;
}

const CORRELATION_ID = /^[\w.:-]{1,64}$/;
const contexts = new WeakMap<object, CallContext>();

/** The context of a call that came through the shared server: the third argument of a `@GrpcMethod`, the only one of a `@GrpcStreamCall`. */
export function callContext(call: object): CallContext {
  const found = contexts.get(call);
  if (!found) throw new Error('this call did not come through the shared gRPC server');
  return found;
}

/** For whoever calls a handler without the server: a port between services in one process, a test. */
export function setCallContext(call: object, context: CallContext): void {
  contexts.set(call, context);
}

/** The client's, when it sent one that can go into logs and messages as it is. */
export function correlationIdOf(metadata: Metadata, runtime: Runtime): string {
  const given = textOf(metadata, 'x-correlation-id');
  return given !== undefined && CORRELATION_ID.test(given) ? given : runtime.id();
}

export function traceparentOf(metadata: Metadata, runtime: Runtime): string {
  const given = textOf(metadata, 'traceparent');
  return given !== undefined && parseTraceparent(given) ? given : newTraceparent(runtime);
}

function textOf(metadata: Metadata, key: string): string | undefined {
  const value = metadata.get(key)[0];
  return typeof value === 'string' ? value : undefined;
}
