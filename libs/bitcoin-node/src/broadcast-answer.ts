import type { NodeError } from './node-errors.ts';

/**
 * What a node's answer to `sendrawtransaction` means (table in the reference on nodes). None of them fails a payout:
 * only a final transaction that excludes it does.
 */
export type BroadcastAnswer =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'already_in_mempool' }
  /** In a block of the active chain, with at least one output unspent. */
  | { readonly kind: 'already_mined' }
  /** Mined with all outputs spent, or an input spent by another confirmed transaction, or a parent missing: look up the spenders. */
  | { readonly kind: 'missing_inputs'; readonly reason: string }
  /** The mempool holds another spender of an input, and this one doesn't pay enough to replace it. */
  | { readonly kind: 'mempool_conflict'; readonly reason: string }
  /** Against consensus or this node's policy, for `reason`. */
  | { readonly kind: 'rejected'; readonly reason: string }
  /** No answer: it may have been taken. Ask, send the same bytes again, never build anew. */
  | { readonly kind: 'unknown'; readonly cause: NodeError };

/** RPCErrorCode in Bitcoin Core's rpc/protocol.h; btcd uses the same numbers. */
const RPC_TRANSACTION_ERROR = -25;
const RPC_TRANSACTION_REJECTED = -26;
const RPC_TRANSACTION_ALREADY_IN_CHAIN = -27;

const MISSING_INPUTS = ['bad-txns-inputs-missingorspent', 'missing-inputs', 'missing inputs', 'orphan transaction'];
const IN_MEMPOOL = [
  'txn-already-in-mempool',
  'txn-same-nonwitness-data-in-mempool',
  'already have transaction in mempool',
];
/** Bitcoin Core's replacement checks (policy/rbf.cpp, validation.cpp) and btcd's (mempool.go). */
const CONFLICT = [
  'txn-mempool-conflict',
  'insufficient fee, rejecting replacement',
  'insufficient feerate',
  'replacement-failed',
  'replacement-adds-unconfirmed',
  'too many potential replacements',
  'bad-txns-spends-conflicting-tx',
  'already spent in mempool',
  'replacement transaction',
];

/** The meaning of an error that Bitcoin Core, the simulator or btcd gave to `sendrawtransaction`. */
export function interpretBroadcastError(code: number, message: string): BroadcastAnswer {
  const has = (phrases: readonly string[]): boolean => phrases.some((phrase) => message.toLowerCase().includes(phrase));
  if (code === RPC_TRANSACTION_ALREADY_IN_CHAIN) return { kind: 'already_mined' };
  if ((code === RPC_TRANSACTION_ERROR || code === RPC_TRANSACTION_REJECTED) && has(MISSING_INPUTS))
    return { kind: 'missing_inputs', reason: message };
  if (code === RPC_TRANSACTION_REJECTED && has(IN_MEMPOOL)) return { kind: 'already_in_mempool' };
  if (code === RPC_TRANSACTION_REJECTED && has(CONFLICT)) return { kind: 'mempool_conflict', reason: message };
  return { kind: 'rejected', reason: message };
}
