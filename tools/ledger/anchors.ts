import { checkBlock, type Network, nullDataScript, type ParsedBlock, parseBlockHash } from '@finality/bitcoin';
import type { BitcoinNode } from '@finality/bitcoin-node';
import type { Session } from '@finality/event-store';
import { headCommitment, type HeadReference, isLater, referenceTo } from '@finality/ledger';
import { type LedgerDifference, readHeads } from '@finality/ledger-store';

/** An anchor as the platform tells it; final there. */
export interface Anchor extends HeadReference {
  readonly txid: string;
  readonly blockHash: string;
  readonly height: number;
}

export interface AnchorsVerified {
  /** Heads of this ledger, found in the chain. */
  readonly found: number;
  /** Heads of a past that was lost with a store, and restored from a backup: a later epoch has other ones. */
  readonly lost: number;
  /** The last of those found. */
  readonly last: Anchor | undefined;
}

/** Deep enough that nobody will take it back: what the platform itself calls final. */
const CONFIRMATIONS_MIN = 6;
const ANCHORS_MAX = 10_000;

/** The oldest first. */
export async function readAnchors(session: Session): Promise<readonly Anchor[]> {
  return session.query<Anchor>(
    `SELECT epoch, segment, hash, txid, block_hash AS "blockHash", height FROM head_anchors
     WHERE status = 'final' ORDER BY epoch, segment LIMIT ${ANCHORS_MAX}`,
  );
}

/** Of each segment that is anchored, the head that the ledger has now; its own hash, and that of its entries, is for others to check. */
export async function headsOf(
  session: Session,
  anchors: readonly Anchor[],
): Promise<ReadonlyMap<number, HeadReference>> {
  const heads = new Map<number, HeadReference>();
  for (const { segment } of anchors) {
    const [head] = await readHeads(session, segment, 1);
    if (head?.segment === segment) heads.set(segment, referenceTo(head));
  }
  return heads;
}

/**
 * Compares what the platform says about anchors with what a node has: each block is in the node's active chain, is what its hash says, is deep
 * enough, and has a transaction that says what the head of this ledger comes to.
 * @param heads by segment, recomputed
 * @returns the first difference, or what was found
 */
export async function verifyAnchors(
  node: Pick<BitcoinNode, 'chainInfo' | 'blockHash' | 'rawBlock'>,
  network: Network,
  anchors: readonly Anchor[],
  heads: ReadonlyMap<number, HeadReference>,
): Promise<AnchorsVerified | LedgerDifference> {
  const newest = [...heads.values()].reduce<HeadReference | undefined>(
    (last, head) => (last === undefined || isLater(head, last) ? head : last),
    undefined,
  );
  const { height: tip } = await node.chainInfo();
  const found: Anchor[] = [];
  for (const anchor of anchors) {
    const subject = `the anchor of segment ${anchor.segment}`;
    const head = heads.get(anchor.segment);
    if (head?.epoch !== anchor.epoch && newest !== undefined && newest.epoch > anchor.epoch) continue;
    if (head?.hash !== anchor.hash)
      return { subject, field: 'head', expected: head?.hash ?? 'a segment of this ledger', found: anchor.hash };
    const difference = await differenceInChain(node, network, anchor, tip);
    if (difference !== undefined) return { subject, ...difference };
    found.push(anchor);
  }
  return { found: found.length, lost: anchors.length - found.length, last: found.at(-1) };
}

type Difference = Omit<LedgerDifference, 'subject'>;

async function differenceInChain(
  node: Pick<BitcoinNode, 'blockHash' | 'rawBlock'>,
  network: Network,
  anchor: Anchor,
  tip: number,
): Promise<Difference | undefined> {
  const { blockHash, height, txid } = anchor;
  const active = await node.blockHash(height);
  if (active !== blockHash)
    return { field: `block at height ${height}`, expected: active ?? 'one of the chain', found: blockHash };
  const confirmations = tip - height + 1;
  if (confirmations < CONFIRMATIONS_MIN)
    return { field: 'confirmations', expected: `at least ${CONFIRMATIONS_MIN}`, found: String(confirmations) };
  const block = await blockOf(node, network, active);
  if (typeof block === 'string') return { field: `block ${blockHash}`, expected: 'a valid block', found: block };
  const transaction = block.transactions.find((each) => each.txid === txid);
  if (transaction === undefined) return { field: 'transaction', expected: `one of block ${blockHash}`, found: txid };
  const says = nullDataScript(headCommitment(anchor));
  if (transaction.outputs.some(({ script }) => script === says)) return undefined;
  const scripts = transaction.outputs.map(({ script }) => script).join(', ');
  return { field: `outputs of ${txid}`, expected: says, found: scripts };
}

/** With its proof of work and its Merkle root checked; a text says what is wrong with it. */
export async function blockOf(
  node: Pick<BitcoinNode, 'rawBlock'>,
  network: Network,
  hash: string,
): Promise<ParsedBlock | string> {
  const asked = parseBlockHash(hash);
  if (!asked.ok) return asked.error.message;
  const raw = await node.rawBlock(asked.value);
  if (raw === undefined) return 'a block that the node hasn’t got';
  const checked = checkBlock(raw, network);
  if (!checked.ok) return checked.error.message;
  const { header } = checked.value;
  return header.hash === asked.value ? checked.value : `block ${header.hash}`;
}
