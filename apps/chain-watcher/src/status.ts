import type { BlockHash } from '@finality/bitcoin';
import type { NodeError } from '@finality/bitcoin-node';
import type { BlockRef } from '@finality/chain';
import type { Instant, Runtime } from '@finality/kernel';
import type { HealthLimits } from './config.ts';
import type { PushChannel } from './workers/hints.ts';

/** Nest token of the {@link ChainStatus}. */
export const CHAIN_STATUS = Symbol('ChainStatus');

/** How following goes, for health and metrics. True as of the last steps. */
export interface ChainWatcherStatus {
  readonly network: string;
  /** -1 before the first block. */
  readonly tipHeight: number;
  readonly tipHash: BlockHash | null;
  /** Since the time that the tip's miner gave; null before there is a tip. */
  readonly tipAgeMs: number | null;
  /** What the node said last. */
  readonly nodeHeight: number | null;
  /** Blocks that the node has and we haven't processed. */
  readonly lagBlocks: number | null;
  readonly nodeReachable: boolean;
  /** How long ago the node last answered; null when it never has. */
  readonly nodeSilentMs: number | null;
  /** Why it doesn't go on: an unreachable node, the wrong network, a bad block. */
  readonly problem: string | null;
  /** How the node lets us know that something has happened. */
  readonly channel: PushChannel;
  /** Why blocks that a wallet's scripts need can't be read; null while none is waited for. */
  readonly scanProblem: string | null;
  /** The tip is older than it may be. */
  readonly stale: boolean;
  /** Null where there is none. */
  readonly secondNode: SecondNodeStatus | null;
  /** The node was started again with an empty mempool, or has lost most of it: what isn't there says nothing for a while. */
  readonly mempoolLost: boolean;
  /** Transactions of ours to be brought onto the chain, and those of them that something foreign stands in the way of. */
  readonly broadcastsWanted: number;
  readonly broadcastsConflicting: number;
}

export interface SecondNodeStatus {
  readonly height: number | null;
  /** Height of the last block that both have; null before there is one. */
  readonly agreedHeight: number | null;
  /** Blocks above it that both have, each another; 0 while one is only behind. */
  readonly disagreeingBlocks: number;
  readonly disagreeingMs: number;
  /** Its branch has more work than ours: our own node should have gone over to it. */
  readonly isHeavier: boolean;
  /** Why it can't be asked. */
  readonly problem: string | null;
  /** More, or for longer, than is put up with. */
  readonly disagrees: boolean;
}

type SecondNode = Pick<SecondNodeStatus, 'height' | 'agreedHeight' | 'disagreeingBlocks' | 'isHeavier' | 'problem'>;

/** Gathered by the workers. A bad block is told from a silent node: the first needs a person. */
export class ChainStatus {
  readonly #network: string;
  readonly #runtime: Runtime;
  readonly #limits: HealthLimits;
  #tip: { readonly height: number; readonly hash: BlockHash | null; readonly time: number | null } = {
    height: -1,
    hash: null,
    time: null,
  };
  #nodeHeight: number | null = null;
  #answeredAt: Instant | null = null;
  #nodeProblem: string | null = null;
  #chainProblem: string | null = null;
  #channel: PushChannel = 'polling';
  #scanProblem: string | null = null;
  #second: SecondNode | null = null;
  #disagreeingSince: Instant | null = null;
  #mempoolLost = false;
  #broadcasts = { wanted: 0, conflicts: 0 };

  constructor(network: string, runtime: Runtime, limits: HealthLimits) {
    this.#network = network;
    this.#runtime = runtime;
    this.#limits = limits;
  }

  /** `time` in seconds, as in the block's header. */
  tipIs({ height, hash }: BlockRef, time: number | null): void {
    this.#tip = { height, hash, time };
  }

  nodeAnswered(height: number): void {
    this.#nodeHeight = height;
    this.#answeredAt = this.#runtime.now();
    this.#nodeProblem = null;
  }

  nodeFailed(error: NodeError): void {
    this.#nodeProblem = error.message;
  }

  chainProblem(problem: string | null): void {
    this.#chainProblem = problem;
  }

  channel(channel: PushChannel): void {
    this.#channel = channel;
  }

  scanProblem(problem: string | null): void {
    this.#scanProblem = problem;
  }

  secondNodeAnswered(second: Omit<SecondNode, 'problem'>): void {
    this.#second = { ...second, problem: null };
    if (second.disagreeingBlocks === 0) this.#disagreeingSince = null;
    else this.#disagreeingSince ??= this.#runtime.now();
  }

  secondNodeFailed(problem: string): void {
    const nothing = { height: null, agreedHeight: null, disagreeingBlocks: 0, isHeavier: false };
    this.#second = { ...(this.#second ?? nothing), problem };
  }

  mempoolLost(lost: boolean): void {
    this.#mempoolLost = lost;
  }

  broadcasts(counts: { readonly wanted: number; readonly conflicts: number }): void {
    this.#broadcasts = counts;
  }

  status(): ChainWatcherStatus {
    const now = this.#runtime.now();
    const tipAgeMs = this.#tip.time === null ? null : Math.max(0, now - this.#tip.time * 1000);
    const { tipAgeMsMax } = this.#limits;
    return {
      network: this.#network,
      tipHeight: this.#tip.height,
      tipHash: this.#tip.hash,
      tipAgeMs,
      stale: tipAgeMs !== null && tipAgeMsMax !== null && tipAgeMs > tipAgeMsMax,
      channel: this.#channel,
      scanProblem: this.#scanProblem,
      secondNode: this.#second && this.#secondNode(this.#second, now),
      nodeHeight: this.#nodeHeight,
      lagBlocks: this.#nodeHeight === null ? null : Math.max(0, this.#nodeHeight - this.#tip.height),
      nodeReachable: this.#answeredAt !== null && this.#nodeProblem === null,
      nodeSilentMs: this.#answeredAt === null ? null : now - this.#answeredAt,
      problem: this.#chainProblem ?? this.#nodeProblem,
      mempoolLost: this.#mempoolLost,
      broadcastsWanted: this.#broadcasts.wanted,
      broadcastsConflicting: this.#broadcasts.conflicts,
    };
  }

  #secondNode(second: SecondNode, now: Instant): SecondNodeStatus {
    const { disagreementBlocksMax, disagreementMsMax } = this.#limits;
    const disagreeingMs = this.#disagreeingSince === null ? 0 : now - this.#disagreeingSince;
    const disagrees = second.disagreeingBlocks > disagreementBlocksMax || disagreeingMs > disagreementMsMax;
    return { ...second, disagreeingMs, disagrees };
  }
}
