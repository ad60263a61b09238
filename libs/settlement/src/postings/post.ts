import { assert } from '@finality/kernel';
import type { AccountId, LedgerView, Transfer } from '@finality/ledger';

/**
 * Posts what must be possible: a refusal by the ledger is a bug of ours, stops the batch and moves nothing. Returns accounts that a
 * correction left overdrawn: whoever owns them has to be frozen.
 */
export function mustPost(ledger: LedgerView, ...transfers: readonly Transfer[]): readonly AccountId[] {
  const result = ledger.post(transfers);
  assert(result.ok, `the ledger refuses what must be possible: ${result.ok ? '' : describe(result.error)}`);
  return result.value.flatMap((posted) => posted.overdrawn);
}

/** What has happened, whether the accounts' limits allow it or not: for a restored store, which may not know yet what made it possible. */
export function mustImpose(ledger: LedgerView, ...transfers: readonly Transfer[]): void {
  const result = ledger.impose(transfers);
  assert(result.ok, `the ledger refuses what has happened: ${result.ok ? '' : describe(result.error)}`);
}

const describe = (error: object): string =>
  JSON.stringify(error, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}` : value));
