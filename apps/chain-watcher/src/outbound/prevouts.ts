import { type OutpointKey, parseOutpointKey, parseTransaction, type Txid } from '@finality/bitcoin';
import type { BitcoinNode } from '@finality/bitcoin-node';
import {
  type AncestorInput,
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
/** Bitcoin Core's clusters hold 64 transactions. */
const ANCESTORS_MAX = 63;

/** What is known already, and all transactions that were read together with those in question. */
export interface Surroundings {
  readonly view: WatchView;
  readonly around: readonly ObservedTransaction[];
}

/** Where foreign outputs may still be found. */
interface Places {
  readonly node: BitcoinNode;
  readonly nearby: ReadonlyMap<string, ObservedTransaction>;
  readonly fetched: Map<string, ObservedTransaction | undefined>;
}

/**
 * What the transactions of blocks that concern us spend, for screening: from the transactions around them and whatever transactions the
 * node finds. Asked for what isn't known already; what isn't found stays unknown.
 */
export async function lookUpPrevouts(
  node: BitcoinNode,
  observed: readonly ObservedTransaction[],
  { view, around }: Surroundings,
): Promise<LookedUp> {
  const prevouts = new Map<OutpointKey, Prevout>();
  const places = placesAround(node, observed.length === 0 ? [] : around);
  const ours = concerning(observed, view);
  for (const outpoint of ours.flatMap((transaction) => unknownSpends(transaction, view))) {
    const { txid, vout } = unwrap(parseOutpointKey(outpoint));
    const from = await find(txid, places);
    const found = from && outputOf(from, vout);
    if (found) prevouts.set(outpoint, found);
  }
  return { transactions: txidsOf(ours), prevouts, ancestorInputs: new Map() };
}

/**
 * The same of the mempool, where what is spent may still be among the unspent outputs (Core without an index can't tell more); and what the
 * unconfirmed ancestors of those that concern us spend.
 */
export async function lookUpInMempool(
  node: BitcoinNode,
  observed: readonly ObservedTransaction[],
  { view, around }: Surroundings,
): Promise<LookedUp> {
  const prevouts = new Map<OutpointKey, Prevout>();
  const ancestorInputs = new Map<Txid, readonly AncestorInput[]>();
  const places = placesAround(node, observed.length === 0 ? [] : around);
  const ours = concerning(observed, view);
  for (const transaction of ours) {
    const asked = new Set(unknownSpends(transaction, view));
    const parents = new Set<string>();
    for (const outpoint of transaction.spends) {
      if (!asked.has(outpoint) && view.transaction(txidOf(outpoint))?.status.kind === 'confirmed') continue;
      const unspent = await node.unspentOutput(unwrap(parseOutpointKey(outpoint)));
      if (unspent) prevouts.set(outpoint, { script: unspent.script, valueSats: unspent.valueSats });
      else parents.add(txidOf(outpoint));
    }
    const ancestors = await ancestorsOf(parents, places);
    for (const outpoint of asked) {
      const parent = ancestors.find(({ txid }) => txid === txidOf(outpoint));
      const found = parent && outputOf(parent, unwrap(parseOutpointKey(outpoint)).vout);
      if (found) prevouts.set(outpoint, found);
    }
    ancestorInputs.set(transaction.txid, inputsOf(ancestors));
  }
  return { transactions: txidsOf(ours), prevouts, ancestorInputs };
}

/** All that the mempool still has of them. What it spends from a block isn't followed further, as it can't be replaced. */
async function ancestorsOf(parents: ReadonlySet<string>, places: Places): Promise<readonly ObservedTransaction[]> {
  const found = new Map<string, ObservedTransaction>();
  const wanted = [...parents];
  // What is appended meanwhile is visited as well.
  for (const txid of wanted) {
    if (found.size >= ANCESTORS_MAX) break;
    const transaction = found.has(txid) ? undefined : await find(txid, places);
    if (!transaction) continue;
    found.set(txid, transaction);
    for (const outpoint of transaction.spends) {
      const isConfirmed = await places.node.unspentOutput(unwrap(parseOutpointKey(outpoint)));
      if (!isConfirmed) wanted.push(txidOf(outpoint));
    }
  }
  return [...found.values()];
}

function inputsOf(ancestors: readonly ObservedTransaction[]): readonly AncestorInput[] {
  return ancestors.flatMap(({ txid, spends }) => spends.map((outpoint) => ({ outpoint, ancestor: txid })));
}

function placesAround(node: BitcoinNode, around: readonly ObservedTransaction[]): Places {
  const nearby = new Map(around.map((transaction) => [transaction.txid as string, transaction]));
  return { node, nearby, fetched: new Map() };
}

/** Foreign outputs that aren't known from before. */
function unknownSpends({ txid, spends }: ObservedTransaction, view: WatchView): readonly OutpointKey[] {
  const known = new Map(view.transaction(txid)?.transaction.inputs.map((input) => [input.outpoint, input.script]));
  const foreign = spends.filter((outpoint) => !view.output(outpoint) && !known.get(outpoint));
  return foreign.slice(0, PREVOUTS_PER_TRANSACTION_MAX);
}

async function find(txid: string, { node, nearby, fetched }: Places): Promise<ObservedTransaction | undefined> {
  const near = nearby.get(txid);
  if (near) return near;
  if (!fetched.has(txid)) {
    const raw = await node.rawTransaction(txid as Txid);
    const parsed = raw && parseTransaction(raw);
    // A node that answers with something else has nothing to say about this one.
    const fits = parsed?.ok && parsed.value.txid === txid;
    fetched.set(txid, fits ? observe(parsed.value) : undefined);
  }
  return fetched.get(txid);
}

const txidOf = (outpoint: OutpointKey): Txid => outpoint.slice(0, outpoint.indexOf(':')) as Txid;

const txidsOf = (transactions: readonly ObservedTransaction[]): ReadonlySet<Txid> =>
  new Set(transactions.map(({ txid }) => txid));

function outputOf(transaction: ObservedTransaction, vout: number): Prevout | undefined {
  const output = transaction.outputs[vout];
  return output && { script: output.script, valueSats: output.valueSats };
}
