import type { Txid } from '@finality/bitcoin';
import type { Mempool, MempoolEntry } from './mempool.ts';
import { REGTEST } from './consensus.ts';

/** Room for header, count and coinbase. */
const RESERVED_WEIGHT = 8_000;

/**
 * What a miner would take from the mempool: all of it in order of arrival where it fits, else by feerate of each transaction together
 * with its unconfirmed ancestors, highest first. Parents before children.
 */
export function selectForBlock(mempool: Mempool): readonly MempoolEntry[] {
  const entries = mempool.entries();
  const weightMax = REGTEST.blockWeightMax - RESERVED_WEIGHT;
  if (entries.reduce((total, entry) => total + entry.transaction.weight, 0) <= weightMax) return entries;
  const chosen = new Set<Txid>();
  let weight = 0;
  for (const { missing } of byPackageFeerate(mempool, entries)) {
    const added = missing.filter((txid) => !chosen.has(txid));
    const addedWeight = added.reduce((total, txid) => total + mempool.get(txid)!.transaction.weight, 0);
    if (weight + addedWeight > weightMax) continue;
    weight += addedWeight;
    for (const txid of added) chosen.add(txid);
  }
  return entries.filter((entry) => chosen.has(entry.transaction.txid));
}

function byPackageFeerate(
  mempool: Mempool,
  entries: readonly MempoolEntry[],
): readonly { readonly missing: readonly Txid[] }[] {
  return entries
    .map((entry) => {
      const missing = [...mempool.ancestorsOf([entry.transaction.txid])];
      const all = missing.map((txid) => mempool.get(txid)!);
      const feeSats = all.reduce((total, each) => total + each.feeSats, 0n);
      const vsize = all.reduce((total, each) => total + each.transaction.vsize, 0);
      return { missing, feeSats, vsize: BigInt(vsize) };
    })
    .sort((a, b) => Number(b.feeSats * a.vsize - a.feeSats * b.vsize));
}
