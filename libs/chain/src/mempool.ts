import type { BlockHash, Txid } from '@finality/bitcoin';
import type { Instant } from '@finality/kernel';

/** In how many polls in a row a transaction hasn't been in the mempool where it was. */
export type Absences = ReadonlyMap<Txid, number>;

export interface MempoolDiff {
  /** Listed, never looked at: to be fetched. At most as many as a step may take. */
  readonly unexamined: readonly Txid[];
  /** Listed, known as gone: back again. */
  readonly returned: readonly Txid[];
  /** Known as pending, not listed, neither confirmed nor replaced as far as we know. */
  readonly absent: readonly Txid[];
  /** Whether everything listed has been looked at. While it hasn't, what replaces an absent one may be among the rest. */
  readonly complete: boolean;
}

/** What one poll of the mempool shows against what is known. `gone`: evicted or replaced. `irrelevant`: looked at, nothing of ours. */
export function diffMempool(
  listed: readonly Txid[],
  known: { readonly pending: ReadonlySet<Txid>; readonly gone: ReadonlySet<Txid>; isIrrelevant(txid: Txid): boolean },
  unexaminedMax: number,
): MempoolDiff {
  const inMempool = new Set(listed);
  const fresh = listed.filter((txid) => !known.pending.has(txid) && !known.gone.has(txid) && !known.isIrrelevant(txid));
  return {
    unexamined: fresh.slice(0, unexaminedMax),
    returned: listed.filter((txid) => known.gone.has(txid)),
    absent: [...known.pending].filter((txid) => !inMempool.has(txid)),
    complete: fresh.length <= unexaminedMax,
  };
}

/** Absences after one more poll: those that are back are forgotten. */
export function trackAbsences(previous: Absences, absent: readonly Txid[]): Absences {
  return new Map(absent.map((txid) => [txid, (previous.get(txid) ?? 0) + 1]));
}

export interface MempoolPolicy {
  /** A poll may come between a transaction's leaving the mempool and its block's arrival here. */
  readonly pollsMin: number;
  /** How long a mempool that was lost has to fill again, before absence from it says anything. */
  readonly recoveryMs: number;
  /** Smaller ones lose half of what they hold in the ordinary course of things. */
  readonly lossSizeMin: number;
}

/** What one poll showed of a node's mempool. */
export interface MempoolSight {
  /** Of the node, when it was asked. */
  readonly tip: BlockHash;
  readonly txids: ReadonlySet<Txid>;
  /** Since the node was started. */
  readonly uptimeMs: number;
}

/** How a mempool was lost: the node was started again, or most of what it held went at once and no block took it. */
export type MempoolLoss = 'restarted' | 'emptied';

/**
 * Whether the node has lost its mempool since the poll before, or, where there was none, seems to have lost it lately. `absent`: how many
 * transactions of ours it should have and doesn't.
 */
export function detectLoss(
  before: MempoolSight | undefined,
  now: MempoolSight,
  absent: number,
  policy: MempoolPolicy,
): MempoolLoss | undefined {
  const isYoung = now.uptimeMs < (before?.uptimeMs ?? policy.recoveryMs);
  if (isYoung && absent > 0) return 'restarted';
  if (!before) return now.txids.size === 0 && absent > 0 ? 'emptied' : undefined;
  if (before.tip !== now.tip || before.txids.size === 0) return undefined;
  if (now.txids.size === 0) return 'emptied';
  if (before.txids.size < policy.lossSizeMin) return undefined;
  const kept = [...before.txids].filter((txid) => now.txids.has(txid)).length;
  return kept * 2 < before.txids.size ? 'emptied' : undefined;
}

/** Absences that have lasted: evicted. `lostSince`: the node lost its mempool then, so it says nothing about each single transaction. */
export function evicted(
  absences: Absences,
  lostSince: Instant | null,
  now: Instant,
  policy: MempoolPolicy,
): readonly Txid[] {
  if (lostSince !== null && now - lostSince < policy.recoveryMs) return [];
  return [...absences].filter(([, polls]) => polls >= policy.pollsMin).map(([txid]) => txid);
}
