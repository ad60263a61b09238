import { type ParsedTransaction, parseTransaction, scriptTypeOf, type Txid } from '@finality/bitcoin';
import { err, ok, type Result } from '@finality/kernel';
import type { RejectReason } from './mempool-rules.ts';
import { feeAt } from './mempool-rules.ts';
import type { SimulatedChain } from './simulated-chain.ts';

/** Bitcoin Core's RPCErrorCode (rpc/protocol.h). */
export const RPC = {
  miscError: -1,
  typeError: -3,
  invalidAddressOrKey: -5,
  invalidParameter: -8,
  deserialization: -22,
  verifyError: -25,
  verifyRejected: -26,
  verifyAlreadyInUtxoSet: -27,
  methodNotFound: -32601,
  invalidRequest: -32600,
  internalError: -32603,
  parseError: -32700,
} as const;

/** An error as a node's JSON-RPC gives it. */
export interface RpcFault {
  readonly code: number;
  readonly message: string;
}

export interface BroadcastLimits {
  /** Feerate above which it is taken for a mistake, in sat per 1,000 virtual bytes; 0 for none. Bitcoin Core's default: 0.1 BTC/kvB. */
  readonly maxFeeRateSatPerKvb: bigint;
  /** Most that an unspendable output may burn. */
  readonly maxBurnSats: bigint;
}

export const BROADCAST_LIMITS: BroadcastLimits = { maxFeeRateSatPerKvb: 10_000_000n, maxBurnSats: 0n };

export const MISSING_INPUTS = 'bad-txns-inputs-missingorspent';

/** Takes a raw transaction into the mempool with the answers of Bitcoin Core's `sendrawtransaction` (node/transaction.cpp). */
export function broadcast(
  chain: SimulatedChain,
  raw: Uint8Array,
  limits: BroadcastLimits = BROADCAST_LIMITS,
): Result<Txid, RpcFault> {
  const parsed = parseTransaction(raw);
  if (!parsed.ok) return err({ code: RPC.deserialization, message: `TX decode failed. ${parsed.error.message}` });
  const transaction = parsed.value;
  if (burns(transaction, limits.maxBurnSats)) {
    return err({
      code: RPC.verifyError,
      message: 'Unspendable output exceeds maximum configured by user (maxburnamount)',
    });
  }
  if (chain.coins.hasOutputOf(transaction)) {
    return err({ code: RPC.verifyAlreadyInUtxoSet, message: 'Transaction outputs already in utxo set' });
  }
  if (chain.mempool.has(transaction.txid)) return ok(transaction.txid);
  const [verdict] = chain.test([transaction]);
  if (!verdict!.ok) return err(rejection(verdict!.error));
  if (exceedsFee(transaction, verdict!.value.feeSats, limits)) {
    return err({
      code: RPC.verifyError,
      message: 'Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)',
    });
  }
  const accepted = chain.accept(transaction);
  return accepted.ok ? ok(transaction.txid) : err(rejection(accepted.error));
}

export function exceedsFee(transaction: ParsedTransaction, feeSats: bigint, limits: BroadcastLimits): boolean {
  return limits.maxFeeRateSatPerKvb > 0n && feeSats > feeAt(limits.maxFeeRateSatPerKvb, transaction.vsize);
}

const burns = (transaction: ParsedTransaction, maxBurnSats: bigint): boolean =>
  transaction.outputs.some((output) => scriptTypeOf(output.script) === 'nulldata' && output.valueSats > maxBurnSats);

const rejection = (reason: RejectReason): RpcFault => ({
  code: reason === MISSING_INPUTS ? RPC.verifyError : RPC.verifyRejected,
  message: reason,
});
