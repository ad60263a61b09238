import type { Txid } from '@finality/bitcoin';
import { assert } from '@finality/kernel';

/** In an order in which each comes after those it spends from; otherwise as given. A node takes no child before its parent. */
export function parentsFirst<T extends { readonly txid: Txid; readonly parents: readonly Txid[] }>(
  list: readonly T[],
): readonly T[] {
  const byTxid = new Map(list.map((item) => [item.txid, item]));
  const ordered = new Set<T>();
  const visiting = new Set<T>();
  // A chain of unconfirmed transactions is at most a mempool cluster long, so recursion is bounded by it.
  const visit = (item: T): void => {
    if (ordered.has(item)) return;
    assert(!visiting.has(item), 'no transaction spends itself');
    visiting.add(item);
    for (const parent of item.parents) {
      const inList = byTxid.get(parent);
      if (inList) visit(inList);
    }
    ordered.add(item);
  };
  for (const item of list) visit(item);
  return [...ordered];
}
