/**
 * The environment doesn't allow the process to start (a wrong setting, a port taken, somebody else's data): nothing to retry, nothing to debug.
 * `main` prints the message and the remedy without a stack and exits.
 */
export class StartupError extends Error {
  override readonly name = 'StartupError';
  /** UPPER_SNAKE_CASE, stable: `PORT_TAKEN`. */
  readonly code: string;
  /** What whoever started the process can do about it. */
  readonly remedy: string;

  constructor(code: string, message: string, remedy: string, options?: ErrorOptions) {
    super(`${message}. ${remedy}`, options);
    this.code = code;
    this.remedy = remedy;
  }
}

/** The `code` of a system or database error (`EADDRINUSE`, `28P01`), if it has one. */
export function errorCode(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** What went wrong in words, whatever was thrown; the members of an aggregate instead of its empty message. */
export function errorMessage(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(errorMessage).join('; ');
  return error instanceof Error ? error.message : String(error);
}
