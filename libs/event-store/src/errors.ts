/** The store can't be reached, or died on the way: whether anything was stored isn't known. Asking again with the same keys is safe. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
  readonly retryable = true;

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}

/** Somebody else holds the lease now: whoever gets this must stop and start over. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
  readonly lease: string;

  constructor(lease: string, fencing: bigint) {
    super(`lease ${lease} isn't held with fencing number ${fencing} any more`);
    this.lease = lease;
  }
}

/** SQLSTATE classes that say something about the server or the connection, not about what was asked. */
const UNAVAILABLE_CLASSES = new Set(['08', '25', '40', '53', '55', '57', '58', 'F0', 'XX']);
/** A schema, a table or a grant is missing: a fault of the deployment, which no single command is to blame for. */
const DEPLOYMENT_STATES = new Set(['3F000', '42P01', '42501', '28000', '28P01', '3D000']);

/** Whether an error from the database leaves it open what became of the transaction, or concerns the server as a whole. */
export function isUnavailable(error: unknown): boolean {
  // The driver couldn't even encode what it was given.
  if (error instanceof TypeError || error instanceof RangeError) return false;
  const state = sqlState(error);
  if (state === undefined) return true;
  return UNAVAILABLE_CLASSES.has(state.slice(0, 2)) || DEPLOYMENT_STATES.has(state);
}

/** The five characters of a server's error; connection errors (ECONNRESET, "Connection terminated") have none. */
function sqlState(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('severity' in error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' && error.code.length === 5 ? error.code : undefined;
}
