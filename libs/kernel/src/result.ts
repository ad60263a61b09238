/** An expected outcome as a value: failures that callers handle are returned, bugs throw. */
export type Result<T, E> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E };

export const ok = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value });

export const err = <E>(error: E): { readonly ok: false; readonly error: E } => ({ ok: false, error });

/** The value of a result that can't have failed here; a failure is a bug and throws. */
export function unwrap<T, E>(result: Result<T, E>): T {
  if (result.ok) return result.value;
  throw new Error(
    `unexpected failure: ${JSON.stringify(result.error, (_k, v: unknown) => (typeof v === 'bigint' ? `${v}` : v))}`,
  );
}
