import {
  type Branch,
  type Descriptor,
  deriveScript,
  outpointKey,
  type OutpointKey,
  parseBlock,
  type ParsedTransaction,
  type ScriptHex,
} from '@finality/bitcoin';
import type { RegtestNode } from '@finality/bitcoin-node';
import { assert, unwrap } from '@finality/kernel';

export interface ScannedWallet {
  readonly walletId: string;
  readonly descriptor: Descriptor;
  /** No transaction of it is older. */
  readonly birthdayHeight: number;
}

export interface FoundCoin {
  readonly outpoint: OutpointKey;
  readonly walletId: string;
  readonly valueSats: bigint;
}

export interface ScanOptions {
  readonly node: Pick<RegtestNode, 'blockHash' | 'rawBlock'>;
  readonly wallets: readonly ScannedWallet[];
  /** The last block that counts. */
  readonly height: number;
  /** So many indices of a branch without a payment end it. */
  readonly gapLimit: number;
  readonly onProgress: (height: number) => void;
}

interface Place {
  readonly walletId: string;
  readonly branch: Branch;
  readonly index: number;
}

/** Each finds more indices than the one before; a wallet is never that sparse. */
const PASSES_MAX = 20;
const BRANCHES: readonly Branch[] = [0, 1];

/** Scripts of the wallets, derived as far as the gap limit asks for. */
class Scripts {
  readonly #places = new Map<ScriptHex, Place>();
  readonly #derived = new Map<string, number>();
  readonly #wallets: ReadonlyMap<string, ScannedWallet>;
  readonly #gapLimit: number;

  constructor(wallets: readonly ScannedWallet[], gapLimit: number) {
    this.#wallets = new Map(wallets.map((wallet) => [wallet.walletId, wallet]));
    this.#gapLimit = gapLimit;
    for (const { walletId } of wallets) for (const branch of BRANCHES) this.#derive(walletId, branch, gapLimit);
  }

  /** Of how many the scripts are known: grows when an index near the end was paid. */
  get count(): number {
    return this.#places.size;
  }

  paid(script: ScriptHex): Place | undefined {
    const place = this.#places.get(script);
    if (place !== undefined) this.#derive(place.walletId, place.branch, place.index + 1 + this.#gapLimit);
    return place;
  }

  #derive(walletId: string, branch: Branch, until: number): void {
    const wallet = this.#wallets.get(walletId);
    assert(wallet !== undefined, `wallet ${walletId} is scanned for`);
    const key = `${walletId}/${branch}`;
    for (let index = this.#derived.get(key) ?? 0; index < until; index++) {
      this.#places.set(deriveScript(wallet.descriptor, branch, index).script, { walletId, branch, index });
      this.#derived.set(key, index + 1);
    }
  }
}

/**
 * Coins of these wallets that are unspent at a height, from nothing but their descriptors and a node's blocks since the oldest birthday (BIP44's
 * gap limit). Blocks are read again as long as payments show that more indices were used.
 */
export async function scanCoins(options: ScanOptions): Promise<readonly FoundCoin[]> {
  const { wallets, gapLimit } = options;
  const scripts = new Scripts(wallets, gapLimit);
  for (let pass = 0; pass < PASSES_MAX; pass++) {
    const before = scripts.count;
    const coins = await scanOnce(options, scripts);
    if (scripts.count === before) return [...coins.values()];
  }
  throw new Error(`after ${PASSES_MAX} passes there were still new indices: is the gap limit of ${gapLimit} too low?`);
}

async function scanOnce(
  { node, wallets, height: last, onProgress }: ScanOptions,
  scripts: Scripts,
): Promise<ReadonlyMap<OutpointKey, FoundCoin>> {
  const coins = new Map<OutpointKey, FoundCoin>();
  const first = Math.min(last + 1, ...wallets.map(({ birthdayHeight }) => birthdayHeight));
  for (let height = first; height <= last; height++) {
    const hash = await node.blockHash(height);
    const raw = hash === undefined ? undefined : await node.rawBlock(hash);
    if (raw === undefined) throw new Error(`the node has no block at height ${height}`);
    for (const transaction of unwrap(parseBlock(raw)).transactions) apply(transaction, scripts, coins);
    onProgress(height);
  }
  return coins;
}

function apply(
  { txid, inputs, outputs }: ParsedTransaction,
  scripts: Scripts,
  coins: Map<OutpointKey, FoundCoin>,
): void {
  for (const { outpoint } of inputs) coins.delete(outpointKey(outpoint));
  for (const [vout, { script, valueSats }] of outputs.entries()) {
    const place = scripts.paid(script);
    if (place === undefined || valueSats === 0n) continue;
    const outpoint = outpointKey({ txid, vout });
    coins.set(outpoint, { outpoint, walletId: place.walletId, valueSats });
  }
}
