import type { Descriptor, OutpointKey, ScriptHex, WalletScriptType } from '@finality/bitcoin';
import { assert, type Sats } from '@finality/kernel';
import type { FundingSource } from './settlement.ts';

/** An output of a wallet, as the chain facts consumed so far describe it, and the lineage that has a claim on it. */
export interface Coin {
  readonly outpoint: OutpointKey;
  readonly walletId: string;
  /** The signer has its key; otherwise its owner spends it as he likes, and it is kept as a memo. */
  readonly custodial: boolean;
  readonly valueSats: Sats;
  readonly script: ScriptHex;
  readonly branch: 0 | 1;
  readonly index: number;
  /** Of its block; undefined while it is in none. */
  readonly height?: number;
  /** How often it has been in a block: the life of its mirror transfer. */
  readonly life: number;
  /** In a block: the transaction that spends it. */
  readonly spentBy?: string;
  /** How often it has been spent in a block. */
  readonly spends: number;
  /** The lineage that may spend it; no coin belongs to two (DESIGN 8). */
  readonly claimedBy?: string;
  /** Lineages that operators have released it from: only a reorg past finality could let a version of theirs spend it. */
  readonly formerClaims: readonly string[];
  /** Deposit credited, change of ours, or payee's side of something settled. */
  readonly released: boolean;
  /** External scripts that it was funded from, through change; at most {@link SOURCES_MAX}. */
  readonly sources: readonly FundingSource[];
}

export const SOURCES_MAX = 100;

/** Coins of one batch: changed in memory, each change seen by what comes later. */
export class CoinBook {
  readonly #coins = new Map<OutpointKey, Coin>();
  readonly #loaded = new Map<OutpointKey, Coin>();

  constructor(coins: readonly Coin[]) {
    for (const coin of coins) {
      this.#coins.set(coin.outpoint, coin);
      this.#loaded.set(coin.outpoint, coin);
    }
  }

  find(outpoint: OutpointKey): Coin | undefined {
    return this.#coins.get(outpoint);
  }

  get(outpoint: OutpointKey): Coin {
    const coin = this.#coins.get(outpoint);
    assert(coin !== undefined, `coin ${outpoint} is not known`);
    return coin;
  }

  put(coin: Coin): void {
    this.#coins.set(coin.outpoint, coin);
  }

  ofWallet(walletId: string): readonly Coin[] {
    return [...this.#coins.values()].filter((coin) => coin.walletId === walletId);
  }

  createdBy(txid: string): readonly Coin[] {
    return [...this.#coins.values()].filter((coin) => coin.outpoint.startsWith(`${txid}:`));
  }

  spentBy(txid: string): readonly Coin[] {
    return [...this.#coins.values()].filter((coin) => coin.spentBy === txid);
  }

  changed(): readonly Coin[] {
    return [...this.#coins.values()].filter((coin) => this.#loaded.get(coin.outpoint) !== coin);
  }
}

/** May a lineage spend it (and anchor on it): at deposit finality, released, unspent, claimed by none. */
export function isSpendable(coin: Coin, tipHeight: number, depositConfirmations: number): boolean {
  return (
    coin.height !== undefined &&
    tipHeight - coin.height + 1 >= depositConfirmations &&
    coin.released &&
    coin.spentBy === undefined &&
    coin.claimedBy === undefined
  );
}

/** Lineages with a version that spends it: at most one of these transactions is ever on the chain. */
export const contendersFor = ({
  claimedBy,
  formerClaims,
}: Pick<Coin, 'claimedBy' | 'formerClaims'>): readonly string[] =>
  claimedBy === undefined ? formerClaims : [claimedBy, ...formerClaims];

/** Each source once, in a fixed order, bounded. */
export function mergeSources(lists: readonly (readonly FundingSource[])[]): readonly FundingSource[] {
  const byKey = new Map<string, FundingSource>();
  for (const source of lists.flat()) byKey.set(`${source.script}|${source.depositOutpoint}`, source);
  return [...byKey.entries()]
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, source]) => source)
    .slice(0, SOURCES_MAX);
}

/** A wallet of an institution or of the platform. */
export interface WalletRecord {
  readonly walletId: string;
  readonly institutionId: string;
  readonly scriptType: WalletScriptType;
  readonly custodial: boolean;
  /** Blocks since its birthday are still being read: what it holds isn't known yet, so it doesn't pay. */
  readonly scanning: boolean;
  /** Of a wallet whose keys are its institution's. */
  readonly descriptor?: Descriptor;
}

/** An address as its issuer announced it. */
export interface AddressRecord {
  readonly script: ScriptHex;
  readonly address: string;
  readonly walletId: string;
  readonly institutionId: string;
  readonly purpose: 'clearing' | 'wallet' | 'change' | 'settlement';
  readonly branch: 0 | 1;
  readonly index: number;
}
