import { type Branch, checkBlock, deriveScript, parseDescriptor } from '@finality/bitcoin';
import type { BitcoinNode } from '@finality/bitcoin-node';
import { observe, WatchView } from '@finality/chain';
import { unwrap, type Worker } from '@finality/kernel';
import type { CommandOf, RescannedBlock } from '../commands.ts';
import { lookUpPrevouts } from '../outbound/prevouts.ts';
import { firstHeight, mainHeaders } from '../projections/headers.projection.ts';
import { loadAround } from '../projections/transactions.projection.ts';
import { type WalletToExtend, walletToExtend } from '../projections/wallets.projection.ts';
import { execute, type Progress, waitingForNode, type WorkerContext } from './context.ts';

/** New wallets and addresses wake it; this is for what a crash left undone. */
const POLL_MS = 500;
const BLOCKS_PER_STEP = 25;

/**
 * Derives and stores the scripts that are wanted, a wallet per step; where the wallet is older than our tip, reads the blocks since its
 * birthday again. Only then is it acknowledged that the scripts are watched, and addresses can be issued.
 */
export class WatchAhead implements Worker {
  readonly name = 'watch-ahead';
  readonly pollMs = POLL_MS;
  readonly #context: WorkerContext;

  constructor(context: WorkerContext) {
    this.#context = context;
  }

  step(): Promise<Progress> {
    return waitingForNode(this.#context, async () => {
      const wallet = await walletToExtend(this.#context.session);
      if (!wallet) return 'idle';
      const { watched, wanted } = wallet;
      const isBehind = watched.external < wanted.external || watched.internal < wanted.internal;
      return isBehind ? this.#deriveScripts(wallet) : this.#context.nodes.use((node) => this.#rescan(node, wallet));
    });
  }

  async #deriveScripts(wallet: WalletToExtend): Promise<Progress> {
    const { network, session } = this.#context;
    const { walletId, external, internal, watched, wanted, birthdayHeight } = wallet;
    const descriptor = unwrap(parseDescriptor([external, internal], network));
    const derive = (branch: Branch, from: number, below: number): CommandOf<'store_scripts'>['scripts'] =>
      Array.from({ length: Math.max(0, below - from) }, (_, i) => {
        const index = from + i;
        return { branch, index, script: deriveScript(descriptor, branch, index).script };
      });
    const scripts = [...derive(0, watched.external, wanted.external), ...derive(1, watched.internal, wanted.internal)];
    const rescanFrom = Math.max(birthdayHeight, (await firstHeight(session)) ?? 0);
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
      const raw = await node.rawBlock(hash);
      // The node has pruned it, or is another one: this waits until it is there.
      if (!raw) return 'idle';
      const checked = unwrap(checkBlock(raw, network));
      blocks.push({ height, hash, transactions: checked.transactions.map(observe) });
    }
    const transactions = blocks.flatMap((block) => block.transactions);
    const view = new WatchView();
    await loadAround(session, transactions, view);
    const lookedUp = await lookUpPrevouts(node, transactions, view, false);
    // Where a reorg has made the chain shorter, what comes instead is matched when it is connected.
    const body: CommandOf<'rescan'> = { kind: 'rescan', walletId, blocks, next: through + 1, lookedUp };
    const outcome = await execute(this.#context, this.name, [body]);
    return outcome === 'stored' ? 'progress' : 'idle';
  }
}
