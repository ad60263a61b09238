/** Who sends a request that is refused. */
export type RefusedCaller =
  /** An API key of the institution that pays in the good request. */
  | 'payer'
  /** An API key of the institution that is paid. */
  | 'payee'
  /** An API key of an institution that has nothing to do with it. */
  | 'stranger'
  | 'operator'
  | 'compliance'
  /** No `authorization` at all. */
  | 'none'
  /** Something that doesn't look like an API key. */
  | 'malformed'
  /** A key that was never issued. */
  | 'unissued'
  /** The id of a key that exists with another secret. */
  | 'wrong'
  /** A key of the payer that was revoked. */
  | 'revoked';

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** One way to send bad input, and exactly how it is refused. `docs/api.md` shows these as a table; a test sends each of them. */
export interface RefusedInput {
  /** With its service where several have one of that name. */
  readonly rpc: string;
  /** In words. */
  readonly input: string;
  /** gRPC status. In a stream of requests: of the item, in its result. */
  readonly status: string;
  /** `google.rpc.BadRequest.field_violations[].field`, separated by commas; empty where no field is to blame. */
  readonly field: string;
  /** `google.rpc.ErrorInfo.reason`. */
  readonly reason: string;
  /** Default: the payer, or whoever else may send the good request. */
  readonly caller?: RefusedCaller;
  /** What makes of a good request this one, in protobuf's JSON. */
  readonly change?: Readonly<Record<string, Json>>;
  /** The good request was sent before with the same idempotency key. */
  readonly repeated?: true;
}

/** A field that is wrong. */
export const invalid = (
  rpc: string,
  input: string,
  field: string,
  change: Readonly<Record<string, Json>>,
): RefusedInput => ({
  rpc,
  input,
  status: 'INVALID_ARGUMENT',
  field,
  reason: 'INVALID_ARGUMENT',
  change,
});
