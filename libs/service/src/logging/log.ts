/**
 * What code that logs depends on; pino's `Logger` is one. Fields first, then one constant sentence, so that logs can be searched by it.
 * Never money as a float, never a secret: what looks like one is redacted, but don't rely on that.
 */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: Readonly<Record<string, string | number>>): Log;
}

/** Says nothing: for tests and tools. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};
