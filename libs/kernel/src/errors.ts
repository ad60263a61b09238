/** One field of a request and what is wrong with it, in words for whoever sent it. */
export interface FieldError {
  readonly field: string;
  readonly description: string;
}

export const fieldError = (field: string, description: string): FieldError => ({ field, description });

/**
 * The kinds of refusal a caller can meet, each with one gRPC status (the table is in `@finality/service`).
 * Names are stable: they travel to clients as `google.rpc.ErrorInfo.reason`.
 */
export type RefusalKind =
  | 'invalid_argument'
  | 'unauthenticated'
  | 'permission_denied'
  | 'not_found'
  | 'already_exists'
  | 'failed_precondition'
  | 'out_of_range'
  | 'resource_exhausted'
  | 'unavailable'
  | 'aborted';

/** An expected refusal: what was expected, what was found, and whether the same request can succeed later. */
export interface Refusal {
  readonly kind: RefusalKind;
  /** UPPER_SNAKE_CASE, stable, one per cause: `UNKNOWN_INSTITUTION`. */
  readonly reason: string;
  readonly message: string;
  readonly fields?: readonly FieldError[];
  readonly retryable?: boolean;
  /** When asking again is worthwhile, from now. */
  readonly retryAfterMs?: number;
  /** What a program needs to know beside the reason; names as in a request. Travels as `google.rpc.ErrorInfo.metadata`. */
  readonly details?: Readonly<Record<string, string>>;
}

export function refusal(
  kind: RefusalKind,
  reason: string,
  message: string,
  more: Partial<Pick<Refusal, 'fields' | 'retryable' | 'retryAfterMs' | 'details'>> = {},
): Refusal {
  return { kind, reason, message, ...more };
}

/** The refusal of a request some of whose fields can't be what they are. */
export function invalid(...fields: readonly FieldError[]): Refusal {
  return refusal('invalid_argument', 'INVALID_ARGUMENT', fields.map((f) => `${f.field}: ${f.description}`).join('; '), {
    fields,
  });
}
