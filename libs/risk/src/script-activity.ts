import { createHash } from 'node:crypto';
import { type Aggregate, assertNever, type Instant } from '@finality/kernel';

/** So many of a script's last transactions are remembered; the rule asks whether there were more than 100 in a day. */
export const RECENT_TRANSACTIONS_MAX = 101;

/** A transaction that spends coins of this external script, as the chain facts told us. */
export interface TransactionObserved {
  readonly type: 'transaction_observed';
  /** scriptPubKey, hex. */
  readonly script: string;
  readonly txid: string;
  /** When our node saw it. */
  readonly at: Instant;
}

export type ScriptEvent = TransactionObserved;

/** What we know of an external script from its dealings with us: an address's age and activity can't be had from a node without an index. */
export interface ScriptActivity {
  readonly firstSeenAt?: Instant;
  /** The last {@link RECENT_TRANSACTIONS_MAX} transactions, oldest first, each once. */
  readonly recent: readonly { readonly txid: string; readonly at: Instant }[];
}

/** Stream `script/<script hash>`: see {@link scriptKey}. */
export const scriptActivity: Aggregate<ScriptActivity, ScriptEvent> = {
  name: 'script',
  initialState: { recent: [] },
  evolve(state, event) {
    switch (event.type) {
      case 'transaction_observed':
        return {
          firstSeenAt: earlier(state.firstSeenAt, event.at),
          recent: [...state.recent, { txid: event.txid, at: event.at }].slice(-RECENT_TRANSACTIONS_MAX),
        };
      default:
        return assertNever(event.type, 'script event');
    }
  },
};

/** Empty when the transaction is known already: first seen in the mempool, then in a block. */
export function observeTransaction(
  state: ScriptActivity,
  seen: Omit<TransactionObserved, 'type'>,
): readonly ScriptEvent[] {
  if (state.recent.some(({ txid }) => txid === seen.txid)) return [];
  return [{ type: 'transaction_observed', ...seen }];
}

/** Transactions less than `windowMs` old at `at`; capped at {@link RECENT_TRANSACTIONS_MAX}. */
export function transactionsWithin(state: ScriptActivity, windowMs: number, at: Instant): number {
  return state.recent.filter((transaction) => at - transaction.at < windowMs).length;
}

/** SHA-256 of the script, hex: scripts can be longer than what an index holds. */
export function scriptKey(script: string): string {
  return createHash('sha256').update(script, 'hex').digest('hex');
}

function earlier(known: Instant | undefined, at: Instant): Instant {
  return known === undefined || at < known ? at : known;
}
