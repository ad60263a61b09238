import { type Attributes, context, SpanKind, SpanStatusCode, trace, type SpanContext } from '@opentelemetry/api';
import type { Runtime } from '@finality/kernel';
import { errorMessage } from '../startup-error.ts';

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const SHUTDOWN_TIMEOUT_MS = 3_000;

/**
 * Starts the OpenTelemetry SDK when there is somebody to send spans to. Endpoint, protocol, headers and sampling come from the standard
 * OTEL_… variables, which the SDK reads itself. The SDK is only loaded when it is wanted: it takes some 30 MiB.
 */
export async function startTracing(options: {
  /** OTEL_EXPORTER_OTLP_ENDPOINT; undefined: no tracing. */
  readonly endpoint: string | undefined;
  readonly serviceName: string;
  readonly runtime: Runtime;
}): Promise<{
  /** Sends what is left, for at most 3 s. */
  stop(): Promise<void>;
}> {
  if (options.endpoint === undefined) return { stop: () => Promise.resolve() };
  const { NodeSDK } = await import('@opentelemetry/sdk-node');
  const sdk = new NodeSDK({ serviceName: options.serviceName, metricReaders: [], logRecordProcessors: [] });
  sdk.start();
  return {
    // An endpoint that is gone is no reason not to end.
    stop: () => Promise.race([sdk.shutdown().catch(() => undefined), options.runtime.sleep(SHUTDOWN_TIMEOUT_MS)]),
  };
}

export interface SpanOptions {
  /** Where the trace comes from: gRPC metadata, an event's envelope, a message's headers. Without it: the span around, or a new trace. */
  readonly traceparent?: string | undefined;
  readonly attributes?: Attributes;
  readonly kind?: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
}

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const;

/**
 * Runs `work` inside a span. It is given the traceparent to hand on: the span's when tracing is on, else the one that came in (so that a
 * trace isn't cut where one service doesn't trace), else undefined.
 */
export async function withSpan<T>(
  name: string,
  options: SpanOptions,
  work: (traceparent: string | undefined) => Promise<T>,
): Promise<T> {
  const remote = parseTraceparent(options.traceparent);
  const parent = remote ? trace.setSpanContext(context.active(), { ...remote, isRemote: true }) : context.active();
  const settings = { kind: KINDS[options.kind ?? 'internal'], attributes: options.attributes ?? {} };
  const span = trace.getTracer('finality').startSpan(name, settings, parent);
  try {
    return await context.with(trace.setSpan(parent, span), () => work(formatTraceparent(span.spanContext())));
  } catch (error) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: errorMessage(error) });
    throw error;
  } finally {
    span.end();
  }
}

/** Of the span around; undefined without one, or without tracing. */
export function activeTraceparent(): string | undefined {
  const span = trace.getActiveSpan();
  return span && formatTraceparent(span.spanContext());
}

/** W3C Trace Context, version 00. Undefined for anything else: a malformed one starts a new trace, as the standard wants. */
export function parseTraceparent(text: string | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(text ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  const spanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) };
  return trace.isSpanContextValid(spanContext) ? spanContext : undefined;
}

export function formatTraceparent(spanContext: SpanContext): string | undefined {
  if (!trace.isSpanContextValid(spanContext)) return undefined;
  return `00-${spanContext.traceId}-${spanContext.spanId}-${spanContext.traceFlags.toString(16).padStart(2, '0')}`;
}

/** Starts a trace where none came in, so that what one request led to can be found even when nobody collects spans. */
export function newTraceparent(runtime: Runtime): string {
  const hex = (length: number): string => Buffer.from(runtime.randomBytes(length)).toString('hex');
  return `00-${hex(16)}-${hex(8)}-01`;
}
