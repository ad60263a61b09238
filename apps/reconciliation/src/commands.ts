import type { BlockHash, Branch, ParsedTransaction, ScriptHex } from '@finality/bitcoin';
import type { Comparison, Cut } from '@finality/reconciliation';

export interface BlockToIndex {
  readonly height: number;
  readonly hash: BlockHash;
  readonly transactions: readonly ParsedTransaction[];
}

export interface DerivedPlace {
  readonly script: ScriptHex;
  readonly branch: Branch;
  readonly index: number;
}

/** Everything that changes this service's state. */
export type ReconciliationCommand =
  | {
      readonly kind: 'add_wallet';
      readonly walletId: string;
      readonly custodial: boolean;
      readonly external: string;
      readonly internal: string;
      readonly birthdayHeight: number;
    }
  | { readonly kind: 'index_used'; readonly walletId: string; readonly branch: Branch; readonly index: number }
  | {
      readonly kind: 'store_scripts';
      readonly walletId: string;
      readonly scripts: readonly DerivedPlace[];
      readonly externalBelow: number;
      readonly internalBelow: number;
    }
  /** `after`: the block that the first of them follows; null before there is one. */
  | { readonly kind: 'index_blocks'; readonly after: BlockHash | null; readonly blocks: readonly BlockToIndex[] }
  /** Forgets the blocks above a height. */
  | { readonly kind: 'roll_back'; readonly toHeight: number }
  | { readonly kind: 'start_run'; readonly reportId: string }
  | { readonly kind: 'complete_run'; readonly reportId: string; readonly cut: Cut; readonly comparison: Comparison };

export type CommandOf<Kind extends ReconciliationCommand['kind']> = Extract<
  ReconciliationCommand,
  { readonly kind: Kind }
>;
