import { type BlockHash, checkHeader, parseHeader } from '@finality/bitcoin';
import { type BitcoinNode, NodeError } from '@finality/bitcoin-node';
import type { BlockRef } from '@finality/chain';
import type { Worker } from '@finality/kernel';
import type { NodeConnection } from '../outbound/node-connection.ts';
import { firstHeight, mainHeaders, type StoredHeader } from '../projections/headers.projection.ts';
import { chainStream } from '../streams.ts';
import { execute, type Progress, type WorkerContext } from './context.ts';

const HEADERS_PER_STEP = 200;
/** Of a branch that the second node has and we haven't. A longer one is given up on: it shows as a disagreement all the same. */
const BRANCH_HEADERS_MAX = 6_000;

interface Branch {
  /** The last block that both have. */
  readonly common: number;
  readonly best: BlockHash;
  readonly tip: BlockHash;
  readonly work: bigint;
}

/**
 * Follows a second node by its headers alone and says which of our blocks it has on its best chain, too. It never moves our own chain: what
 * the two disagree about is shown, for a person.
 */
export class CompareNodes implements Worker {
  readonly name = 'compare-nodes';
  readonly pollMs: number;
  readonly #context: WorkerContext;
  readonly #second: NodeConnection;
  /** Asked for once per pair of tips. */
  #branch: Branch | undefined;

  constructor(context: WorkerContext, second: NodeConnection) {
    this.#context = context;
    this.#second = second;
    this.pollMs = context.pollMs;
  }

  async step(): Promise<Progress> {
    const { status, log } = this.#context;
    try {
      return await this.#second.use((node) => this.#compare(node));
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
      status.secondNodeFailed(error.message);
      log.warn({ kind: error.kind, error: error.message }, 'the second bitcoin node can’t be asked');
      return 'idle';
    }
  }

  async #compare(node: BitcoinNode): Promise<Progress> {
    const { reader, network } = this.#context;
    const { tip, agreed } = (await reader.loadState(chainStream, network)).state;
    if (!tip) return 'idle';
    const { height, bestBlockHash } = await node.chainInfo();
    const best = { height, hash: bestBlockHash };
    const left = agreed ? await this.#left(node, agreed, height) : [];
    if (left.length > 0) return this.#tell({ kind: 'dispute', blocks: left });
    const shared = await this.#shared(node, agreed, Math.min(tip.height, height));
    if (shared.length > 0) return this.#tell({ kind: 'agree', blocks: shared });
    await this.#report(node, { tip, agreed, best });
    return 'idle';
  }

  async #tell(
    body: { kind: 'agree'; blocks: readonly BlockRef[] } | { kind: 'dispute'; blocks: readonly StoredHeader[] },
  ): Promise<Progress> {
    return (await execute(this.#context, this.name, [body])) === 'stored' ? 'progress' : 'idle';
  }

  /** Blocks agreed on that it has others instead of, the last first. One that is only behind has left nothing. */
  async #left(node: BitcoinNode, agreed: BlockRef, height: number): Promise<readonly StoredHeader[]> {
    const left: StoredHeader[] = [];
    let hasOthers = false;
    for (let through = agreed.height; left.length < BRANCH_HEADERS_MAX; through -= HEADERS_PER_STEP) {
      const page = await mainHeaders(this.#context.session, through - HEADERS_PER_STEP + 1, through);
      for (const header of page.toReversed()) {
        const theirs = header.height > height ? undefined : await node.blockHash(header.height);
        if (theirs === header.hash) return hasOthers ? left : [];
        hasOthers ||= theirs !== undefined;
        left.push(header);
      }
      if (page.length === 0) break;
    }
    return hasOthers ? left : [];
  }

  /** Blocks after the last agreed on that it has where we have them, oldest first. */
  async #shared(node: BitcoinNode, agreed: BlockRef | null, through: number): Promise<readonly BlockRef[]> {
    const { session } = this.#context;
    const from = agreed ? agreed.height + 1 : ((await firstHeight(session)) ?? 0);
    const shared: BlockRef[] = [];
    for (const { height, hash } of await mainHeaders(session, from, Math.min(through, from + HEADERS_PER_STEP - 1))) {
      if ((await node.blockHash(height)) !== hash) break;
      shared.push({ height, hash });
    }
    return shared;
  }

  async #report(
    node: BitcoinNode,
    { tip, agreed, best }: { readonly tip: BlockRef; readonly agreed: BlockRef | null; readonly best: BlockRef },
  ): Promise<void> {
    const common = agreed?.height ?? -1;
    const differing = Math.min(tip.height, best.height) - common;
    const branch = differing > 0 ? await this.#branchOf(node, common, tip, best) : undefined;
    const ours = await this.#workAbove(common, tip.height);
    this.#context.status.secondNodeAnswered({
      height: best.height,
      agreedHeight: agreed?.height ?? null,
      disagreeingBlocks: Math.max(0, differing),
      isHeavier: branch !== undefined && branch.work > ours,
    });
  }

  /** Its headers above the last common block, as far as they hang together and have their work. */
  async #branchOf(node: BitcoinNode, common: number, tip: BlockRef, best: BlockRef): Promise<Branch> {
    const known = this.#branch;
    if (known?.common === common && known.best === best.hash && known.tip === tip.hash) return known;
    let work = 0n;
    let previous: BlockHash | undefined;
    for (let height = common + 1; height <= best.height && height - common <= BRANCH_HEADERS_MAX; height++) {
      const hash = await node.blockHash(height);
      const raw = hash && (await node.rawHeader(hash));
      const parsed = raw ? parseHeader(raw) : undefined;
      const checked = parsed?.ok ? checkHeader(parsed.value, this.#context.network, previous) : undefined;
      if (!checked?.ok || checked.value.hash !== hash) break;
      work += checked.value.work;
      previous = checked.value.hash;
    }
    this.#branch = { common, best: best.hash, tip: tip.hash, work };
    return this.#branch;
  }

  async #workAbove(common: number, tipHeight: number): Promise<bigint> {
    const { session } = this.#context;
    const [tip] = await mainHeaders(session, tipHeight, tipHeight);
    const [fork] = common < 0 ? [] : await mainHeaders(session, common, common);
    return (tip?.chainWork ?? 0n) - (fork?.chainWork ?? 0n);
  }
}
