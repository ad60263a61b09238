import { type Branch, deriveScript, parseDescriptor } from '@finality/bitcoin';
import { unwrap, type Worker } from '@finality/kernel';
import type { DerivedPlace } from '../commands.ts';
import { walletToDerive } from '../projections/wallets.projection.ts';
import { type Progress, store, type WorkContext } from './context.ts';

const POLL_MS = 500;

/** Derives the scripts of wallets from their descriptors, by ourselves, a wallet per step. */
export class DeriveScripts implements Worker {
  readonly name = 'derive-scripts';
  readonly pollMs = POLL_MS;
  readonly #context: WorkContext;

  constructor(context: WorkContext) {
    this.#context = context;
  }

  async step(): Promise<Progress> {
    const wallet = await walletToDerive(this.#context.session);
    if (!wallet) return 'idle';
    const { walletId, external, internal } = wallet;
    const descriptor = unwrap(parseDescriptor([external, internal], this.#context.network));
    const derive = (branch: Branch, from: number, below: number): readonly DerivedPlace[] =>
      Array.from({ length: Math.max(0, below - from) }, (_, i) => {
        const index = from + i;
        return { script: deriveScript(descriptor, branch, index).script, branch, index };
      });
    const scripts = [
      ...derive(0, wallet.externalBelow, wallet.externalWanted),
      ...derive(1, wallet.internalBelow, wallet.internalWanted),
    ];
    const below = { externalBelow: wallet.externalWanted, internalBelow: wallet.internalWanted };
    await store(this.#context, this.name, { kind: 'store_scripts', walletId, scripts, ...below });
    return 'progress';
  }
}
