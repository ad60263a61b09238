import {
  dustLimitSats,
  formatBtc,
  outpointKey,
  type ParsedTransaction,
  scriptTypeOf,
  TRANSACTION_WEIGHT_MAX,
  type Txid,
} from '@finality/bitcoin';
import { err, ok, type Result } from '@finality/kernel';
import type { CoinSet } from './coin-set.ts';
import { type BlockNode, type Coin, isFinal, medianTimePast, REGTEST, relativeLocksHold } from './consensus.ts';
import type { Mempool, MempoolEntry } from './mempool.ts';
import { scriptFault } from './script-check.ts';

/** Policy of Bitcoin Core 31 with its defaults; feerates in sat per 1,000 virtual bytes. */
export const POLICY = {
  relayFeeSatPerKvb: 100n,
  incrementalFeeSatPerKvb: 100n,
  clusterTransactionsMax: 64,
  clusterVbytesMax: 101_000,
  evictionsMax: 100,
  nonWitnessBytesMin: 65,
  versionMax: 3,
} as const;

/** What an unconfirmed transaction is checked against. */
export interface MempoolContext {
  readonly coins: CoinSet;
  readonly mempool: Mempool;
  readonly tip: BlockNode;
  ancestorAt(height: number): BlockNode;
  /** Whether the signatures of the transaction with this wtxid were checked before. */
  isVerified(wtxid: string): boolean;
}

export interface Admission {
  readonly feeSats: bigint;
  /** What it replaces, descendants included. */
  readonly evicted: ReadonlySet<Txid>;
}

/** Bitcoin Core's reject reason, as in `bad-txns-inputs-missingorspent`, with details after a comma where Core has them. */
export type RejectReason = string;

/**
 * Whether a mempool takes a transaction, by the rules and with the reasons of Bitcoin Core 31 (validation.cpp, policy/rbf.cpp).
 * `returning` is for what was mined before a reorg: neither feerate nor standardness is asked of it again.
 * Stricter than Core, so that what passes here passes on btcd too: a replacement brings no new unconfirmed input (BIP125 rule 2).
 * Left out: sigop limits, TRUC (version 3) rules, ephemeral dust, size limit and expiry.
 */
export function checkForMempool(
  transaction: ParsedTransaction,
  context: MempoolContext,
  { returning = false }: { readonly returning?: boolean } = {},
): Result<Admission, RejectReason> {
  const first = ownFault(transaction, context, returning) ?? knownFault(transaction, context);
  if (first !== undefined) return err(first);
  const coins = transaction.inputs.map((input) => coinFor(outpointKey(input.outpoint), input.outpoint, context));
  if (!coins.every((coin) => coin !== undefined)) return err('bad-txns-inputs-missingorspent');
  const spending = spendingFault(transaction, coins, context);
  if (spending !== undefined) return err(spending);
  const feeSats = sum(coins.map((coin) => coin.valueSats)) - sum(transaction.outputs.map((output) => output.valueSats));
  if (feeSats < 0n) return err('bad-txns-in-belowout');
  const relayFee = feeAt(POLICY.relayFeeSatPerKvb, transaction.vsize);
  if (!returning && feeSats < relayFee) return err(`min relay fee not met, ${feeSats} < ${relayFee}`);
  const replaced = replacement(transaction, feeSats, context);
  if (!replaced.ok) return replaced;
  const cluster = returning ? undefined : clusterFault(transaction, replaced.value, context.mempool);
  if (cluster !== undefined) return err(cluster);
  const script = context.isVerified(transaction.wtxid) ? undefined : scriptFault(transaction, coins);
  if (script !== undefined) return err(`mempool-script-verify-flag-failed (${script})`);
  return ok({ feeSats, evicted: replaced.value });
}

/** The least fee at a feerate, rounded up. */
export const feeAt = (satPerKvb: bigint, vsize: number): bigint => (satPerKvb * BigInt(vsize) + 999n) / 1000n;

function ownFault(
  transaction: ParsedTransaction,
  context: MempoolContext,
  returning: boolean,
): RejectReason | undefined {
  if (transaction.isCoinbase) return 'coinbase';
  if (!isFinal(transaction, context.tip.height + 1, medianTimePast(context.tip))) return 'non-final';
  if (returning) return undefined;
  if (transaction.version < 1 || transaction.version > POLICY.versionMax) return 'version';
  if (transaction.weight > TRANSACTION_WEIGHT_MAX) return 'tx-size';
  const nonWitnessBytes = (transaction.weight - transaction.raw.length) / 3;
  if (nonWitnessBytes < POLICY.nonWitnessBytesMin) return 'tx-size-small';
  if (transaction.outputs.some((output) => scriptTypeOf(output.script) === 'nonstandard')) return 'scriptpubkey';
  const dust = transaction.outputs.some((output) => output.valueSats < dustFloor(output.script));
  return dust ? 'dust' : undefined;
}

const ANCHOR_DUST_SATS = 240n;

/** An anchor below 240 sat is allowed only as ephemeral dust, which isn't offered here. */
function dustFloor(script: ParsedTransaction['outputs'][number]['script']): bigint {
  return scriptTypeOf(script) === 'anchor' ? ANCHOR_DUST_SATS : dustLimitSats(script);
}

function knownFault(transaction: ParsedTransaction, { mempool, coins }: MempoolContext): RejectReason | undefined {
  const known = mempool.get(transaction.txid);
  if (known)
    return known.transaction.wtxid === transaction.wtxid
      ? 'txn-already-in-mempool'
      : 'txn-same-nonwitness-data-in-mempool';
  return coins.hasOutputOf(transaction) ? 'txn-already-known' : undefined;
}

function coinFor(
  key: ReturnType<typeof outpointKey>,
  outpoint: { readonly txid: Txid; readonly vout: number },
  { coins, mempool, tip }: MempoolContext,
): Coin | undefined {
  const output = mempool.get(outpoint.txid)?.transaction.outputs[outpoint.vout];
  if (!output) return coins.get(key);
  return { valueSats: output.valueSats, script: output.script, height: tip.height + 1, coinbase: false };
}

function spendingFault(
  transaction: ParsedTransaction,
  coins: readonly Coin[],
  context: MempoolContext,
): RejectReason | undefined {
  const height = context.tip.height + 1;
  if (coins.some((coin) => coin.coinbase && height - coin.height < REGTEST.coinbaseMaturity)) {
    return 'bad-txns-premature-spend-of-coinbase';
  }
  return relativeLocksHold(transaction, coins, context) ? undefined : 'non-BIP68-final';
}

/** What the transaction evicts by spending the same outputs, or why it may not. */
function replacement(
  transaction: ParsedTransaction,
  feeSats: bigint,
  { mempool }: MempoolContext,
): Result<ReadonlySet<Txid>, RejectReason> {
  const conflicts = new Set(
    transaction.inputs
      .map((input) => mempool.spenderOf(outpointKey(input.outpoint)))
      .filter((txid) => txid !== undefined),
  );
  if (conflicts.size === 0) return ok(conflicts);
  const evicted = mempool.descendantsOf(conflicts);
  const { txid } = transaction;
  if (evicted.size > POLICY.evictionsMax) {
    return err(
      `too many potential replacements, rejecting replacement ${txid}; too many conflicting transactions (${evicted.size} > ${POLICY.evictionsMax})`,
    );
  }
  const parents = mempool.parentsOf(transaction);
  if ([...mempool.ancestorsOf(parents)].some((parent) => evicted.has(parent))) {
    return err(`bad-txns-spends-conflicting-tx, ${txid} spends conflicting transaction`);
  }
  const allowed = new Set([...conflicts].flatMap((conflict) => [...mempool.get(conflict)!.parents]));
  if ([...parents].some((parent) => !allowed.has(parent)))
    return err(`replacement-adds-unconfirmed, replacement ${txid} adds unconfirmed input`);
  const underpaid = replacementFeeFault(
    transaction,
    feeSats,
    [...evicted].map((e) => mempool.get(e)!),
  );
  return underpaid === undefined ? ok(evicted) : err(underpaid);
}

function replacementFeeFault(
  { txid, vsize }: ParsedTransaction,
  feeSats: bigint,
  evicted: readonly MempoolEntry[],
): RejectReason | undefined {
  const refused = `insufficient fee, rejecting replacement ${txid}`;
  const paidBefore = sum(evicted.map((entry) => entry.feeSats));
  if (feeSats < paidBefore)
    return `${refused}, less fees than conflicting txs; ${formatBtc(feeSats)} < ${formatBtc(paidBefore)}`;
  const relay = feeAt(POLICY.incrementalFeeSatPerKvb, vsize);
  if (feeSats - paidBefore < relay) {
    return `${refused}, not enough additional fees to relay; ${formatBtc(feeSats - paidBefore)} < ${formatBtc(relay)}`;
  }
  // As btcd has it: better than all that goes, not only than what spends the same.
  const better = evicted.every((entry) => feeSats * BigInt(entry.transaction.vsize) > entry.feeSats * BigInt(vsize));
  return better ? undefined : 'replacement-failed, insufficient feerate: does not improve feerate diagram';
}

function clusterFault(
  transaction: ParsedTransaction,
  evicted: ReadonlySet<Txid>,
  mempool: Mempool,
): RejectReason | undefined {
  const parents = mempool.parentsOf(transaction);
  if (parents.size === 0) return undefined;
  const others = [...mempool.clusterOf(parents)].filter((txid) => !evicted.has(txid));
  const vbytes = others.reduce((total, txid) => total + mempool.get(txid)!.transaction.vsize, transaction.vsize);
  const fits = others.length < POLICY.clusterTransactionsMax && vbytes <= POLICY.clusterVbytesMax;
  return fits ? undefined : 'too-large-cluster';
}

const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n);
