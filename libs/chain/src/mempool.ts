import type { Txid } from '@finality/bitcoin';
import type { Instant } from '@finality/kernel';

/** For how long a transaction hasn't been in the mempool where it was. */
export interface Absence {
  readonly polls: number;
  readonly since: Instant;
}

export type Absences = ReadonlyMap<Txid, Absence>;

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
export function trackAbsences(previous: Absences, absent: readonly Txid[], now: Instant): Absences {
  return new Map(
    absent.map((txid) => {
      const before = previous.get(txid);
      return [txid, { polls: (before?.polls ?? 0) + 1, since: before?.since ?? now }];
    }),
  );
}

export interface EvictionPolicy {
  /** A poll may come between a transaction's leaving the mempool and its block's arrival here. */
  readonly pollsMin: number;
  /** When the whole mempool has gone, as in a restart of a node that doesn't keep it: time for it to fill again. */
  readonly emptiedWaitMs: number;
}

/** Absences that have lasted: evicted. `mempoolEmpty`: the node lists nothing, so it says nothing about each single one. */
export function evicted(
  absences: Absences,
  mempoolEmpty: boolean,
  now: Instant,
  policy: EvictionPolicy,
): readonly Txid[] {
  const lasting = [...absences].filter(
    ([, { polls, since }]) => polls >= policy.pollsMin && (!mempoolEmpty || now - since >= policy.emptiedWaitMs),
  );
  return lasting.map(([txid]) => txid);
}
