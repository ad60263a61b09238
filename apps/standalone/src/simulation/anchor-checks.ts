import { nullDataScript } from '@finality/bitcoin';
import type { Session } from '@finality/event-store';
import { headCommitment, type HeadReference, referenceTo } from '@finality/ledger';
import { readHeads } from '@finality/ledger-store';
import type { ChainView } from './chain-view.ts';
import { ANCHOR_SECONDS } from './settings.ts';

/** More than a run seals. */
const HEADS_MAX = 10_000;
/** OP_RETURN, a push of 45 bytes, `FNLH`: what a head is written as begins so. */
const MARK = `6a2d${Buffer.from('FNLH').toString('hex')}`;
/** The signer's clock may run a little ahead of the caller's (ANCHORS_APART_MS_PER_SECOND). */
const APART_MS_PER_SECOND = 900;

interface AnchorRow extends HeadReference {
  readonly status: string;
  readonly txid: string | null;
}

/**
 * What the simulated chain says about the ledger: each of our commitments in a block is one head that the ledger has, once; each anchor that is told as final is in
 * a block, in the end each that is told as confirmed, too; and the signer has begun no second one within the interval.
 */
export async function anchorProblems(session: Session, chain: ChainView, isEnd: boolean): Promise<readonly string[]> {
  const heads = (await readHeads(session, 1, HEADS_MAX)).map(referenceTo);
  const scripts = new Map(heads.map((head) => [nullDataScript(headCommitment(head)), head]));
  const problems: string[] = [];
  const inChain = new Map<string, string>();
  for (const [script, outputs] of chain.outputsByScript()) {
    if (!script.startsWith(MARK)) continue;
    const head = scripts.get(script);
    if (head === undefined) problems.push(`the chain has ${script}, which is no head of the ledger`);
    else inChain.set(head.hash, outputs[0]!.txid);
    if (outputs.length > 1) problems.push(`the chain has ${script} ${outputs.length} times`);
  }
  const anchors = await session.query<AnchorRow>(
    'SELECT epoch, segment, hash, status, txid FROM head_anchors ORDER BY epoch, segment',
  );
  for (const { segment, hash, status, txid } of anchors)
    if ((status === 'final' || (isEnd && status === 'confirmed')) && inChain.get(hash) !== txid)
      problems.push(`segment ${segment} is told as anchored by ${txid}, the chain has ${inChain.get(hash) ?? 'none'}`);
  return [...problems, ...(await intervalProblems(session))];
}

/** What pays for an anchor as its child (`head-1-1/1`) anchors nothing itself. */
async function intervalProblems(session: Session): Promise<readonly string[]> {
  const rows = await session.query<{ lineage_id: string; signed_at: bigint }>(
    `SELECT lineage_id, min(signed_at) AS signed_at FROM signer.journal WHERE lineage_id ~ '^head-[0-9]+-[0-9]+$' GROUP BY 1 ORDER BY 2`,
  );
  return rows.slice(1).flatMap(({ lineage_id: lineageId, signed_at: at }, i) => {
    const apart = at - rows[i]!.signed_at;
    return apart >= BigInt(ANCHOR_SECONDS * APART_MS_PER_SECOND)
      ? []
      : [`${lineageId} was signed ${apart} ms after the one before`];
  });
}
