import { StoreUnavailable } from '@finality/event-store';
import { errorCode } from '../startup-error.ts';

/** Connection lost, resources exhausted, an operator stepped in (a shutdown or a recovery too), the system failed: SQLSTATE classes. */
const STATES = /^(08|53|57|58)/;
/** The server ends a transaction that takes too long or stands still. */
const STATES_OF_TIMEOUTS = ['25P03', '25P04'];
const ERRNO = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT'];
/** All that tells the driver's own errors apart: they have no codes. */
const DRIVER_MESSAGE =
  /^(Connection terminated|Client (was closed|has encountered a connection error)|Query read timeout|timeout exceeded when trying to connect)/;

/** Whether something failed because the database couldn't be reached or didn't live to answer: asking again can help. */
export function isDatabaseOutage(error: unknown): boolean {
  if (error instanceof StoreUnavailable) return true;
  if (!(error instanceof Error)) return false;
  // TypeORM wraps what the driver threw.
  if ('driverError' in error) return isDatabaseOutage(error.driverError);
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(isDatabaseOutage);
  const code = errorCode(error);
  if (code === undefined) return DRIVER_MESSAGE.test(error.message);
  return ERRNO.includes(code) || ('severity' in error && (STATES.test(code) || STATES_OF_TIMEOUTS.includes(code)));
}
