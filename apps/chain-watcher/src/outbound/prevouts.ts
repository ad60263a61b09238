import { type OutpointKey, parseOutpointKey, parseTransaction, type Txid } from '@finality/bitcoin';
import type { BitcoinNode } from '@finality/bitcoin-node';
import {
  concerning,
  type LookedUp,
  observe,
  type ObservedTransaction,
  type Prevout,
  type WatchView,
} from '@finality/chain';
import { unwrap } from '@finality/kernel';

/** Of one transaction; one with more inputs than this isn't screened by its sources but by hand. */
export const PREVOUTS_PER_TRANSACTION_MAX = 200;

/** Where foreign outputs may still be found. */
interface Places {
  readonly node: BitcoinNode;
  /** Mempool: what is spent may still be among the unspent outputs. */
  readonly unspent: boolean;
  readonly nearby: ReadonlyMap<string, ObservedTransaction>;
  readonly fetched: Map<Txid, ObservedTransaction | undefined>;
}

/**
 * What the transactions that concern us spend, for screening: from the transactions around them, the unspent outputs (Core without an
 * index can't tell more) and whatever transactions the node finds. Asked for what isn't known already; what isn't found stays unknown.
 */
export async function lookUpPrevouts(
  node: BitcoinNode,
  observed: readonly ObservedTransaction[],
  view: WatchView,
  unspent: boolean,
): Promise<LookedUp> {
  const prevouts = new Map<OutpointKey, Prevout>();
  const nearby = new Map(observed.map((transaction) => [transaction.txid as string, transaction]));
  const places: Places = { node, unspent, nearby, fetched: new Map() };
  const ours = concerning(observed, view);
  for (const { txid, spends } of ours) {
    const known = new Map(view.transaction(txid)?.transaction.inputs.map((input) => [input.outpoint, input.script]));
    const foreign = spends.filter((outpoint) => !view.output(outpoint) && !known.get(outpoint));
    for (const outpoint of foreign.slice(0, PREVOUTS_PER_TRANSACTION_MAX)) {
      const found = await findPrevout(outpoint, places);
      if (found) prevouts.set(outpoint, found);
    }
  }
  return { transactions: new Set(ours.map(({ txid }) => txid)), prevouts };
}

async function findPrevout(key: OutpointKey, places: Places): Promise<Prevout | undefined> {
  const outpoint = unwrap(parseOutpointKey(key));
  const near = places.nearby.get(outpoint.txid);
  if (near) return outputOf(near, outpoint.vout);
  if (places.unspent) {
    const output = await places.node.unspentOutput(outpoint);
    if (output) return { script: output.script, valueSats: output.valueSats };
  }
  if (!places.fetched.has(outpoint.txid)) {
    const raw = await places.node.rawTransaction(outpoint.txid);
    const parsed = raw && parseTransaction(raw);
    // A node that answers with something else has nothing to say about this one.
    const fits = parsed?.ok && parsed.value.txid === outpoint.txid;
    places.fetched.set(outpoint.txid, fits ? observe(parsed.value) : undefined);
  }
  const found = places.fetched.get(outpoint.txid);
  return found && outputOf(found, outpoint.vout);
}

function outputOf(transaction: ObservedTransaction, vout: number): Prevout | undefined {
  const output = transaction.outputs[vout];
  return output && { script: output.script, valueSats: output.valueSats };
}
