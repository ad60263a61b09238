import { type BlockHash, checkBlock } from '@finality/bitcoin';
import { type BitcoinNode, NodeError } from '@finality/bitcoin-node';
import { observeInBlock } from '@finality/chain';
import type { Worker } from '@finality/kernel';
import type { CommandOf, RescannedBlock } from '../commands.ts';
import { lookUpPrevouts } from '../outbound/prevouts.ts';
import { firstHeight, lastHeightBefore, mainHeaders } from '../projections/headers.projection.ts';
import { type WalletToExtend, walletsToExtend } from '../projections/wallets.projection.ts';
import { scriptsBetween } from '../scripts.ts';
import { execute, matched, type Progress, waitingForNode, type WorkerContext } from './context.ts';

/** New wallets and addresses wake it; this is for what a crash left undone. */
const POLL_MS = 500;
const BLOCKS_PER_STEP = 25;
/** Looked at per step. */
const WALLETS_MAX = 100;
/** A block's time may be two hours ahead of the network's, and is later than the median of the eleven before it. */
const BLOCK_TIME_TOLERANCE_SECONDS = 3 * 3_600;
const MS_PER_SECOND = 1_000;

/**
 * Derives and stores the scripts that are wanted, a wallet per step; where the wallet is older than our tip, reads the blocks since its
 * birthday again. Only then is it acknowledged that the scripts are watched, and addresses can be issued.
 */
export class WatchAhead implements Worker {
  readonly name = 'watch-ahead';
  readonly pollMs = POLL_MS;
  readonly #context: WorkerContext;
  #problem: string | null = null;

  constructor(context: WorkerContext) {
    this.#context = context;
  }

  step(): Promise<Progress> {
    return waitingForNode(this.#context, async () => {
      // Blocks that the node hasn't got for one wallet don't keep the others waiting.
      const { session, status } = this.#context;
      this.#problem = null;
      let progress: Progress = 'idle';
      for (const wallet of await walletsToExtend(session, WALLETS_MAX)) {
        progress = await this.#extend(wallet);
        if (progress === 'progress') break;
      }
      status.scanProblem(this.#problem);
      return progress;
    });
  }

  #extend(wallet: WalletToExtend): Promise<Progress> {
    const { watched, wanted } = wallet;
    const isBehind = watched.external < wanted.external || watched.internal < wanted.internal;
    return isBehind ? this.#deriveScripts(wallet) : this.#context.nodes.use((node) => this.#rescan(node, wallet));
  }

  /** Nothing was paid to the wallet below this height. */
  async #birthday({ birthdayHeight, createdAt }: WalletToExtend): Promise<number> {
    const { session } = this.#context;
    const first = (await firstHeight(session)) ?? 0;
    if (birthdayHeight > 0 || createdAt === null) return Math.max(birthdayHeight, first);
    const seconds = Math.floor(createdAt / MS_PER_SECOND) - BLOCK_TIME_TOLERANCE_SECONDS;
    const before = await lastHeightBefore(session, seconds);
    return before === undefined ? first : before + 1;
  }

  async #deriveScripts(wallet: WalletToExtend): Promise<Progress> {
    const { network } = this.#context;
    const { walletId, watched, wanted } = wallet;
    const scripts = scriptsBetween(wallet, watched, wanted, network);
    const rescanFrom = await this.#birthday(wallet);
    const body: CommandOf<'store_scripts'> = { kind: 'store_scripts', walletId, scripts, watched: wanted, rescanFrom };
    await execute(this.#context, this.name, [body]);
    return 'progress';
  }

  async #rescan(node: BitcoinNode, { walletId, rescan }: WalletToExtend): Promise<Progress> {
    if (rescan === null) return 'idle';
    const { session, network } = this.#context;
    const through = Math.min(rescan.through, rescan.next + BLOCKS_PER_STEP - 1);
    const blocks: RescannedBlock[] = [];
    for (const { hash, height } of await mainHeaders(session, rescan.next, through)) {
      const raw = await rawBlockOf(node, hash);
      const checked = typeof raw === 'string' ? undefined : checkBlock(raw, network);
      if (!checked?.ok || checked.value.header.hash !== hash) {
        const problem = typeof raw === 'string' ? raw : checked?.ok ? 'it gave another block' : checked?.error.message;
        this.#problem = `wallet ${walletId} waits for block ${hash} at ${height}: ${problem}`;
        return 'idle';
      }
      blocks.push({ height, hash, transactions: checked.value.transactions.map(observeInBlock) });
    }
    const around = blocks.flatMap((block) => block.transactions);
    const { transactions, view } = await matched(this.#context, around);
    const lookedUp = await lookUpPrevouts(node, transactions, { view, around });
    // Where a reorg has made the chain shorter, what comes instead is matched when it is connected.
    const body: CommandOf<'rescan'> = { kind: 'rescan', walletId, blocks, next: through + 1, lookedUp };
    const outcome = await execute(this.#context, this.name, [body]);
    return outcome === 'stored' ? 'progress' : 'idle';
  }
}

/** The block, or why the node doesn't give it: it has pruned it, or is another one than before. */
async function rawBlockOf(node: BitcoinNode, hash: BlockHash): Promise<Uint8Array | string> {
  try {
    return (await node.rawBlock(hash)) ?? 'the node hasn’t got it';
  } catch (error) {
    if (error instanceof NodeError && error.kind === 'rpc') return error.message;
    throw error;
  }
}
