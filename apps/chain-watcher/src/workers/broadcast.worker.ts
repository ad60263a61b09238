import { outpointKey, parseTransaction, type ParsedTransaction, type Txid } from '@finality/bitcoin';
import type { BitcoinNode, BroadcastAnswer } from '@finality/bitcoin-node';
import { observe, parentsFirst, WatchView } from '@finality/chain';
import { assertNever, type Instant, unwrap, type Worker } from '@finality/kernel';
import { withSpan } from '@finality/service';
import type { CommandOf } from '../commands.ts';
import {
  broadcastCounts,
  type DueBroadcast,
  dueBroadcasts,
  lineagesOf,
  traceOf,
  wantedBroadcasts,
} from '../projections/broadcasts.projection.ts';
import { loadAround } from '../projections/transactions.projection.ts';
import { execute, type Progress, waitingForNode, type WorkerContext } from './context.ts';

const BROADCASTS_PER_STEP = 50;
/** Unconfirmed ancestors sent along: Bitcoin Core's clusters hold 64 transactions. */
const ANCESTOR_GENERATIONS_MAX = 64;
/** A mempool forgets; a transaction is sent again until it is final. */
export const REBROADCAST_MS = 30_000;
/** After no answer: it may have been taken, and if it was, the next answer says so. And until the chain is as long again as it was. */
const RETRY_SOON_MS = 5_000;

interface Sending extends DueBroadcast {
  readonly parsed: ParsedTransaction;
  readonly parents: readonly Txid[];
}

/** Brings transactions of ours onto the chain and keeps them there. No answer of a node fails a payout (DESIGN 8). */
export class Broadcast implements Worker {
  readonly name = 'broadcast';
  readonly pollMs: number;
  readonly #context: WorkerContext;

  constructor(context: WorkerContext) {
    this.#context = context;
    this.pollMs = context.pollMs;
  }

  step(): Promise<Progress> {
    return waitingForNode(this.#context, () => this.#sendDue());
  }

  async #sendDue(): Promise<Progress> {
    const { session, runtime, status, nodes } = this.#context;
    const due = await dueBroadcasts(session, runtime.now(), BROADCASTS_PER_STEP);
    if (due.length === 0) {
      status.broadcasts(await broadcastCounts(session));
      return 'idle';
    }
    const sendings = parentsFirst(await this.#withParents(due));
    const progress = await nodes.use(async (node) => {
      for (const sending of sendings) if ((await this.#send(node, sending)) === 'unanswered') return 'idle';
      return 'progress';
    });
    status.broadcasts(await broadcastCounts(session));
    return progress;
  }

  /** A parent that the node has lost has to be sent before its child, due or not. */
  async #withParents(due: readonly DueBroadcast[]): Promise<readonly Sending[]> {
    const all = new Map(due.map((row) => [row.txid, sendingOf(row)]));
    let generation = [...all.values()];
    for (let i = 0; i < ANCESTOR_GENERATIONS_MAX && generation.length > 0; i++) {
      const missing = [...new Set(generation.flatMap(({ parents }) => parents))].filter((txid) => !all.has(txid));
      generation = (await wantedBroadcasts(this.#context.session, missing)).map(sendingOf);
      for (const sending of generation) all.set(sending.txid, sending);
    }
    return [...all.values()];
  }

  /** Part of the trace of the request that the transaction pays. */
  async #send(node: BitcoinNode, sending: Sending): Promise<'answered' | 'unanswered'> {
    const traceparent = await traceOf(this.#context.session, sending.txid);
    const span = { traceparent, kind: 'client', attributes: { 'finality.txid': sending.txid } } as const;
    return withSpan('broadcast', span, (continued) => this.#sendWithin(node, sending, continued));
  }

  async #sendWithin(
    node: BitcoinNode,
    sending: Sending,
    traceparent: string | undefined,
  ): Promise<'answered' | 'unanswered'> {
    const { faults, runtime } = this.#context;
    faults.at('chain-watcher.broadcast.before-send');
    const answer = await node.sendRawTransaction(sending.raw);
    faults.at('chain-watcher.broadcast.sent');
    const isEarly = answer.kind === 'rejected' && (await isBeforeItsTime(node, sending));
    const conflict = isEarly ? null : await this.#conflictOf(node, sending, answer);
    const delayMs = answer.kind === 'unknown' || isEarly ? RETRY_SOON_MS : REBROADCAST_MS;
    const body: CommandOf<'record_answer'> = {
      kind: 'record_answer',
      txid: sending.txid,
      answer: conflict === 'mined' ? 'already_mined' : answer.kind,
      conflict: conflict === 'mined' ? null : conflict,
      dueAt: (runtime.now() + delayMs) as Instant,
    };
    await execute(this.#context, this.name, [body], traceparent);
    if (answer.kind !== 'unknown') return 'answered';
    this.#context.status.nodeFailed(answer.cause);
    return 'unanswered';
  }

  /**
   * What stands in its way, in words for a person; null when nothing does. `mined`: the node only says that inputs are missing, but we know
   * of its block.
   */
  async #conflictOf(node: BitcoinNode, sending: Sending, answer: BroadcastAnswer): Promise<string | 'mined' | null> {
    switch (answer.kind) {
      case 'accepted':
      case 'already_in_mempool':
      case 'already_mined':
      case 'unknown':
        return null;
      case 'rejected':
        return this.#alarm(sending, `refused: ${answer.reason}`);
      case 'missing_inputs':
      case 'mempool_conflict':
        return this.#spenderOf(node, sending, answer.reason);
      default:
        return assertNever(answer, 'answer');
    }
  }

  async #spenderOf(node: BitcoinNode, { txid, lineageId, parsed }: Sending, reason: string): Promise<string | 'mined'> {
    const { session } = this.#context;
    const view = new WatchView();
    await loadAround(session, [observe(parsed)], view);
    if (view.transaction(txid)?.status.kind === 'confirmed') return 'mined';
    const outpoints = parsed.inputs.map((input) => input.outpoint);
    const confirmed = outpoints
      .flatMap((outpoint) => view.spenders(outpointKey(outpoint)))
      .find((known) => known.transaction.txid !== txid && known.status.kind === 'confirmed')?.transaction.txid;
    const inMempool = (await node.mempoolSpenders(outpoints)).find((spender) => spender && spender !== txid);
    const spender = confirmed ?? inMempool;
    if (!spender) return this.#alarm({ txid, lineageId }, `inputs missing, spender unknown: ${reason}`);
    const lineage = (await lineagesOf(session, [spender])).get(spender);
    // Another version of the same payout: which of them confirms doesn't matter.
    if (lineage === lineageId) return `another version of its lineage: ${spender}`;
    return this.#alarm({ txid, lineageId }, `input spent by ${spender}${lineage ? ` of lineage ${lineage}` : ''}`);
  }

  #alarm({ txid, lineageId }: Pick<Sending, 'txid' | 'lineageId'>, conflict: string): string {
    this.#context.log.error({ txid, lineageId, conflict }, 'a transaction of ours can’t get onto the chain');
    return conflict;
  }
}

/** Its nLockTime is the height of the tip that it was built on, and a reorg has made the chain shorter: the blocks will come back. */
async function isBeforeItsTime(node: BitcoinNode, { parsed }: Sending): Promise<boolean> {
  return parsed.locktime > (await node.chainInfo()).height;
}

function sendingOf(row: DueBroadcast): Sending {
  const parsed = unwrap(parseTransaction(row.raw));
  return { ...row, parsed, parents: parsed.inputs.map((input) => input.outpoint.txid) };
}
