import { assert, err, ok, type Result, type Sats } from '@finality/kernel';
import type { FeeRate } from './fees.ts';

/** Version of the rules below: recorded with each decision, which can be made again from its inputs. */
export const BUMP_POLICY_VERSION = 1;

export interface MempoolTransaction {
  readonly feeSats: Sats;
  readonly vsize: number;
}

export interface Descendant extends MempoolTransaction {
  /** Ours; a payee's sweep isn't. */
  readonly isOwn: boolean;
}

/** A version of the lineage that a node in use has in its mempool. All its inputs are confirmed (DESIGN 8). */
export interface UnconfirmedVersion extends MempoolTransaction {
  readonly version: number;
  /** Unconfirmed transactions that spend its outputs, directly or not. */
  readonly descendants: readonly Descendant[];
}

/** Change of the version, unspent, for a child that pays for its parent. */
export interface SpendableChange {
  readonly valueSats: Sats;
  /** Of a child that spends it to one output of ours. */
  readonly childVsize: number;
  /** The least that this output may have. */
  readonly dustSats: Sats;
}

export interface BumpInputs {
  /** What nodes hold: more than one where their mempools differ; none where all have dropped it. */
  readonly versions: readonly UnconfirmedVersion[];
  readonly target: FeeRate;
  /** The highest of the nodes in use: what a replacement pays for its own relay. */
  readonly incremental: FeeRate;
  /** The highest of the nodes in use: what they take at all. */
  readonly floor: FeeRate;
  /** Most that the lineage's transactions may cost together. */
  readonly feeCapSats: Sats;
  readonly replacement: {
    readonly vsize: number;
    /** Whether every coin that it adds is confirmed. */
    readonly isFunded: boolean;
  };
  readonly change?: SpendableChange;
}

export type ReplaceRefusal = 'FEE_ABOVE_CAP' | 'TOO_MANY_EVICTIONS' | 'UNCONFIRMED_INPUT';
export type ChildRefusal =
  'NOT_IN_MEMPOOL' | 'SEVERAL_VERSIONS' | 'NO_CHANGE' | 'CHANGE_TOO_SMALL' | 'CLUSTER_FULL' | 'FEE_ABOVE_CAP';

export type BumpDecision =
  /** What is there pays enough. */
  | { readonly kind: 'none' }
  /** The next version pays exactly this. */
  | { readonly kind: 'replace'; readonly feeSats: Sats; readonly evictions: number }
  | { readonly kind: 'child'; readonly feeSats: Sats }
  /** Nothing can be done within the limits: an operator has to know. */
  | { readonly kind: 'alarm'; readonly replace: ReplaceRefusal; readonly child: ChildRefusal };

/** btcd and Bitcoin Core. */
const EVICTIONS_MAX = 100;
/** Bitcoin Core 31. */
const CLUSTER_TRANSACTIONS_MAX = 64;
const CLUSTER_VSIZE_MAX = 101_000;

/**
 * How a lineage whose transaction pays too little is helped: by a replacement (RBF), or by a child that spends its change (CPFP), which comes first
 * where payees have spent its outputs already: a replacement would pay for evicting them, as often as they like. Satisfies the strictest of the
 * nodes in use (Bitcoin Core 31, btcd 0.26). Pure; testmempoolaccept has the last word.
 */
export function decideBump(inputs: BumpInputs): BumpDecision {
  const { versions, target } = inputs;
  assert(new Set(versions.map(({ version }) => version)).size === versions.length, 'a version is in the list once');
  if (versions.length > 0 && versions.every((version) => paysEnough(version, target))) return { kind: 'none' };
  const replace = replacement(inputs);
  const child = childPaysForParent(inputs);
  const isForeign = versions.some(({ descendants }) => descendants.some(({ isOwn }) => !isOwn));
  if (isForeign && child.ok) return child.value;
  if (replace.ok) return replace.value;
  if (child.ok) return child.value;
  return { kind: 'alarm', replace: replace.error, child: child.error };
}

/** By itself, or with all its descendants: where these together do, miners gain by it too. */
function paysEnough(version: UnconfirmedVersion, target: FeeRate): boolean {
  const pays = ({ feeSats, vsize }: MempoolTransaction): boolean => feeSats * 1000n >= target * BigInt(vsize);
  return pays(version) || pays(sumOf([version, ...version.descendants]));
}

function replacement({
  versions,
  target,
  incremental,
  floor,
  feeCapSats,
  replacement: { vsize, isFunded },
}: BumpInputs): Result<BumpDecision & { readonly kind: 'replace' }, ReplaceRefusal> {
  const evicted = versions.flatMap((version) => [version, ...version.descendants]);
  if (evicted.length > EVICTIONS_MAX) return err('TOO_MANY_EVICTIONS');
  if (!isFunded) return err('UNCONFIRMED_INPUT');
  const evictedSats = evicted.length === 0 ? 0n : sumOf(evicted).feeSats + feeAt(incremental, vsize);
  // btcd compares whole sat/kvB, with every transaction that is evicted, not only those whose inputs are spent. With the fee above all of theirs
  // it is also what Core's feerate diagrams ask for: no part of what goes pays more, nor does all of it.
  const ratesToBeat = evicted.map((transaction) => (transaction.feeSats * 1000n) / BigInt(transaction.vsize) + 1n);
  const fees = [evictedSats, ...[target, floor, ...ratesToBeat].map((rate) => feeAt(rate, vsize))];
  const feeSats = fees.reduce((most, fee) => (fee > most ? fee : most)) as Sats;
  if (feeSats > feeCapSats) return err('FEE_ABOVE_CAP');
  return ok({ kind: 'replace', feeSats, evictions: evicted.length });
}

function childPaysForParent({
  versions,
  target,
  floor,
  feeCapSats,
  change,
}: BumpInputs): Result<BumpDecision & { readonly kind: 'child' }, ChildRefusal> {
  const [parent, ...others] = versions;
  if (!parent) return err('NOT_IN_MEMPOOL');
  if (others.length > 0) return err('SEVERAL_VERSIONS');
  if (!change) return err('NO_CHANGE');
  const { childVsize, valueSats, dustSats } = change;
  const cluster = [parent, ...parent.descendants];
  if (cluster.length + 1 > CLUSTER_TRANSACTIONS_MAX) return err('CLUSTER_FULL');
  if (sumOf(cluster).vsize + childVsize > CLUSTER_VSIZE_MAX) return err('CLUSTER_FULL');
  const forBoth = feeAt(target, parent.vsize + childVsize) - parent.feeSats;
  const alone = feeAt(floor, childVsize);
  const feeSats = (forBoth > alone ? forBoth : alone) as Sats;
  if (valueSats - feeSats < dustSats) return err('CHANGE_TOO_SMALL');
  const own = sumOf([parent, ...parent.descendants.filter(({ isOwn }) => isOwn)]);
  if (own.feeSats + feeSats > feeCapSats) return err('FEE_ABOVE_CAP');
  return ok({ kind: 'child', feeSats });
}

const feeAt = (rate: bigint, vsize: number): bigint => (rate * BigInt(vsize) + 999n) / 1000n;

function sumOf(transactions: readonly MempoolTransaction[]): MempoolTransaction {
  const feeSats = transactions.reduce((sum, transaction) => sum + transaction.feeSats, 0n) as Sats;
  return { feeSats, vsize: transactions.reduce((sum, { vsize }) => sum + vsize, 0) };
}
