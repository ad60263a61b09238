import { type Any, encoded, googleRpc } from '@finality/contracts';
import { fieldError, type Refusal, refusal, type RefusalKind } from '@finality/kernel';
import { Metadata, status, type StatusObject } from '@grpc/grpc-js';
import { RpcException } from '@nestjs/microservices';
import { isDatabaseOutage } from '../database/outage.ts';
import type { Log } from '../logging/log.ts';

/** `google.rpc.ErrorInfo.domain` of every refusal. */
export const ERROR_DOMAIN = 'finality';
const DETAILS_KEY = 'grpc-status-details-bin';
const NANOS_PER_MS = 1_000_000;
const TYPE_PREFIX = 'type.googleapis.com/google.rpc.';

/** The one table from what was refused to the gRPC status a client sees (https://grpc.io/docs/guides/status-codes). */
export const STATUS_OF_REFUSAL: Readonly<Record<RefusalKind, status>> = {
  invalid_argument: status.INVALID_ARGUMENT,
  unauthenticated: status.UNAUTHENTICATED,
  permission_denied: status.PERMISSION_DENIED,
  not_found: status.NOT_FOUND,
  already_exists: status.ALREADY_EXISTS,
  failed_precondition: status.FAILED_PRECONDITION,
  out_of_range: status.OUT_OF_RANGE,
  resource_exhausted: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
  aborted: status.ABORTED,
};

/** How a gRPC handler refuses: thrown, and turned into a status by the server. */
export class RefusalException extends RpcException {
  readonly refusal: Refusal;
  /** Sent as trailing metadata: `finality-cursor`. */
  readonly trailers: Readonly<Record<string, string>>;

  constructor(refused: Refusal, trailers: Readonly<Record<string, string>> = {}) {
    super(refused.message);
    this.refusal = refused;
    this.trailers = trailers;
  }
}

export function toRpcException(refused: Refusal, trailers: Readonly<Record<string, string>> = {}): RefusalException {
  return new RefusalException(refused, trailers);
}

/** google.rpc.Status of a refusal: code, message, ErrorInfo (reason), BadRequest where fields are to blame, RetryInfo where it is known when to ask again. */
export function rpcStatusOf(refused: Refusal): googleRpc.Status {
  const info = googleRpc.ErrorInfo.fromPartial({
    reason: refused.reason,
    domain: ERROR_DOMAIN,
    metadata: {
      ...refused.details,
      ...(refused.retryable !== undefined && { retryable: `${refused.retryable}` }),
    },
  });
  const details = [packed('ErrorInfo', encoded(googleRpc.ErrorInfo, info))];
  if (refused.fields && refused.fields.length > 0) {
    const badRequest = googleRpc.BadRequest.fromPartial({
      fieldViolations: refused.fields.map((field) => ({ ...field })),
    });
    details.push(packed('BadRequest', encoded(googleRpc.BadRequest, badRequest)));
  }
  if (refused.retryAfterMs !== undefined) {
    const retryInfo = googleRpc.RetryInfo.fromPartial({ retryDelay: durationOf(refused.retryAfterMs) });
    details.push(packed('RetryInfo', encoded(googleRpc.RetryInfo, retryInfo)));
  }
  return { code: STATUS_OF_REFUSAL[refused.kind], message: refused.message, details };
}

/**
 * The status that goes over the wire for whatever a handler threw. A database that is away is UNAVAILABLE, and asking again with the same
 * key is safe. What else isn't a refusal is a bug: it is logged with the correlation id, and the client gets INTERNAL with that id and
 * nothing else.
 */
export function statusOfError(error: unknown, correlationId: string, log: Log): StatusObject {
  if (error instanceof RefusalException) return statusOfRefusal(error.refusal, error.trailers);
  if (isDatabaseOutage(error)) {
    log.warn({ err: error, correlationId }, 'a gRPC handler could not reach the database');
    return statusOfRefusal(refusal('unavailable', 'STORE_UNAVAILABLE', 'the database is away', { retryable: true }));
  }
  log.error({ err: error, correlationId }, 'a gRPC handler failed');
  const message = `internal error; when reporting it, name ${correlationId}`;
  const info = googleRpc.ErrorInfo.fromPartial({
    reason: 'INTERNAL',
    domain: ERROR_DOMAIN,
    metadata: { correlation_id: correlationId },
  });
  const details = [packed('ErrorInfo', encoded(googleRpc.ErrorInfo, info))];
  return statusObject({ code: status.INTERNAL, message, details }, {});
}

export function statusOfRefusal(refused: Refusal, trailers: Readonly<Record<string, string>> = {}): StatusObject {
  return statusObject(rpcStatusOf(refused), trailers);
}

/**
 * The refusal behind an error that a call of another service gave, in this process or over the wire; undefined when it isn't one of ours
 * (a bug there, or the connection).
 */
export function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof RefusalException) return error.refusal;
  const bytes = isServiceError(error) ? error.metadata.get(DETAILS_KEY)[0] : undefined;
  if (!Buffer.isBuffer(bytes)) return undefined;
  const { code, message, details } = googleRpc.Status.decode(bytes);
  const kind = kindOf(code);
  const info = detail(details, 'ErrorInfo');
  if (kind === undefined || info === undefined) return undefined;
  const { domain, reason, metadata } = googleRpc.ErrorInfo.decode(info);
  if (domain !== ERROR_DOMAIN) return undefined;
  const badRequest = detail(details, 'BadRequest');
  const fields =
    badRequest &&
    googleRpc.BadRequest.decode(badRequest).fieldViolations.map((each) => fieldError(each.field, each.description));
  const { retryable, ...more } = metadata;
  const retryInfo = detail(details, 'RetryInfo');
  const delay = retryInfo && googleRpc.RetryInfo.decode(retryInfo).retryDelay;
  return refusal(kind, reason, message, {
    ...(fields && { fields }),
    ...(retryable !== undefined && { retryable: retryable === 'true' }),
    ...(delay && { retryAfterMs: Number(delay.seconds) * 1_000 + delay.nanos / NANOS_PER_MS }),
    ...(Object.keys(more).length > 0 && { details: more }),
  });
}

function statusObject(rpcStatus: googleRpc.Status, trailers: Readonly<Record<string, string>>): StatusObject {
  const metadata = new Metadata();
  metadata.set(DETAILS_KEY, Buffer.from(encoded(googleRpc.Status, rpcStatus)));
  for (const [name, value] of Object.entries(trailers)) metadata.set(name, value);
  return { code: rpcStatus.code, details: rpcStatus.message, metadata };
}

const durationOf = (ms: number): { seconds: bigint; nanos: number } => ({
  seconds: BigInt(Math.floor(ms / 1_000)),
  nanos: Math.round(ms % 1_000) * NANOS_PER_MS,
});

function kindOf(code: number): RefusalKind | undefined {
  const kinds = Object.keys(STATUS_OF_REFUSAL) as RefusalKind[];
  return kinds.find((kind) => Number(STATUS_OF_REFUSAL[kind]) === code);
}

function packed(name: string, value: Uint8Array): Any {
  return { typeUrl: `${TYPE_PREFIX}${name}`, value: Buffer.from(value) };
}

function detail(details: readonly Any[], name: string): Uint8Array | undefined {
  return details.find(({ typeUrl }) => typeUrl === `${TYPE_PREFIX}${name}`)?.value;
}

function isServiceError(error: unknown): error is { metadata: Metadata } {
  return error instanceof Error && 'metadata' in error && error.metadata instanceof Metadata;
}
