import type { LoggerService } from '@nestjs/common';
import type { Log } from './log.ts';

/** Nest's own messages (a module started, a handler threw) in the service's log, as one of its lines. What Nest calls `log` is detail to us. */
export function nestLogger(log: Log): LoggerService {
  const fields = (params: readonly unknown[]): object => {
    const context = params.at(-1);
    const stack = params.length > 1 && typeof params[0] === 'string' ? { stack: params[0] } : {};
    return { component: typeof context === 'string' ? context : 'Nest', ...stack };
  };
  const text = (message: unknown): string =>
    message instanceof Error ? (message.stack ?? message.message) : String(message);
  return {
    log: (message: unknown, ...params: unknown[]) => log.debug(fields(params), text(message)),
    debug: (message: unknown, ...params: unknown[]) => log.debug(fields(params), text(message)),
    verbose: (message: unknown, ...params: unknown[]) => log.debug(fields(params), text(message)),
    warn: (message: unknown, ...params: unknown[]) => log.warn(fields(params), text(message)),
    error: (message: unknown, ...params: unknown[]) => log.error(fields(params), text(message)),
    fatal: (message: unknown, ...params: unknown[]) => log.error(fields(params), text(message)),
  };
}
