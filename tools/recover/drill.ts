import { type Descriptor, MasterKey, type Network, parseDescriptor } from '@finality/bitcoin';
import type { RegtestNode } from '@finality/bitcoin-node';
import { decodeJson } from '@finality/kernel';
import type { Pool } from 'pg';
import { type FoundCoin, scanCoins, type ScannedWallet } from './scan.ts';

/** A wallet as ListWallets tells it. */
export interface ListedWallet {
  readonly walletId: string;
  readonly externalDescriptor: string;
  readonly internalDescriptor: string;
  readonly birthdayHeight?: number;
}

export interface DrillOptions {
  readonly network: Network;
  readonly seed: Uint8Array;
  readonly wallets: readonly ListedWallet[];
  readonly node: Pick<RegtestNode, 'blockHash' | 'rawBlock'>;
  /** Connections that may read the schema settlement. */
  readonly pool: Pool;
  readonly gapLimit: number;
  readonly onProgress: (height: number) => void;
}

export interface WalletResult {
  readonly walletId: string;
  readonly coins: number;
  readonly sats: bigint;
  readonly ledgerCoins: number;
  readonly ledgerSats: bigint;
}

export interface DrillResult {
  readonly height: number;
  readonly blockHash: string;
  readonly wallets: readonly WalletResult[];
  /** Wallets whose keys are somebody else's: nothing of them is looked for. */
  readonly foreign: readonly string[];
  /** In words; empty when everything was found as the ledger has it. */
  readonly differences: readonly string[];
}

interface LedgerCut {
  readonly height: number;
  readonly blockHash: string;
  readonly coins: readonly FoundCoin[];
}

/**
 * The recovery drill: from the seed and the descriptors alone, and a node's blocks, the coins of each wallet; compared with those that the ledger
 * has at the block that it has consumed.
 */
export async function drill(options: DrillOptions): Promise<DrillResult> {
  const { node, pool, gapLimit, onProgress } = options;
  const differences: string[] = [];
  const master = new MasterKey(options.seed, options.network);
  const foreign: string[] = [];
  const own: ScannedWallet[] = [];
  for (const wallet of options.wallets) {
    const descriptor = parsed(wallet, options.network);
    const origin = descriptor.keys[0]?.origin;
    if (origin?.fingerprint !== master.fingerprint) foreign.push(wallet.walletId);
    else if (!isOf(master, descriptor, origin.path))
      differences.push(`wallet ${wallet.walletId}: the seed doesn't make its descriptor ${descriptor.external}`);
    else own.push({ walletId: wallet.walletId, descriptor, birthdayHeight: wallet.birthdayHeight ?? 0 });
  }
  const ledger = await cutOf(pool);
  const hash = await node.blockHash(ledger.height);
  if (hash !== ledger.blockHash)
    differences.push(
      `block ${ledger.height}: the ledger has consumed ${ledger.blockHash}, the node has ${hash ?? 'none'}`,
    );
  const found = await scanCoins({ node, wallets: own, height: ledger.height, gapLimit, onProgress });
  differences.push(...compared(found, ledger.coins));
  const wallets = own.map(({ walletId }) => resultOf(walletId, found, ledger.coins));
  return { height: ledger.height, blockHash: ledger.blockHash, wallets, foreign, differences };
}

/** @throws Error naming the wallet and what its descriptors lack */
function parsed(wallet: ListedWallet, network: Network): Descriptor {
  const descriptor = parseDescriptor([wallet.externalDescriptor, wallet.internalDescriptor], network);
  if (!descriptor.ok) throw new Error(`wallet ${wallet.walletId}: ${descriptor.error.message}`);
  return descriptor.value;
}

/** The account that the origin's path names, derived from the seed, has this very descriptor. */
function isOf(master: MasterKey, { scriptType, external, internal }: Descriptor, path: string): boolean {
  const accountIndex = Number(/(\d+)[h']$/.exec(path)?.[1] ?? Number.NaN);
  if (!Number.isInteger(accountIndex) || (scriptType !== 'wpkh' && scriptType !== 'tr')) return false;
  const { descriptor } = master.account(scriptType, accountIndex);
  return descriptor.external === external && descriptor.internal === internal;
}

/** Tip and coins of one moment; of wallets whose owners have the keys there is nothing to be found. */
async function cutOf(pool: Pool): Promise<LedgerCut> {
  const { rows } = await pool.query<{ tip: string | null; coins: string }>(
    `SELECT (SELECT state FROM settlement.stream_states WHERE stream = 'chain_tip/chain') AS tip,
       (SELECT coalesce(json_agg(json_build_array(outpoint, wallet_id, value_sats::text)), '[]')::text FROM settlement.coins
        WHERE spent_by IS NULL AND height IS NOT NULL AND custodial) AS coins`,
  );
  const [row] = rows;
  if (row?.tip === undefined || row.tip === null) throw new Error('the ledger has consumed no block yet');
  const tip = decodeJson(row.tip) as {
    readonly height: number;
    readonly recent: readonly { readonly height: number; readonly hash: string }[];
  };
  const coins = JSON.parse(row.coins) as readonly [string, string, string][];
  return {
    height: tip.height,
    blockHash: tip.recent.find(({ height }) => height === tip.height)?.hash ?? '',
    coins: coins.map(([outpoint, walletId, sats]) => {
      return { outpoint: outpoint as FoundCoin['outpoint'], walletId, valueSats: BigInt(sats) };
    }),
  };
}

function compared(found: readonly FoundCoin[], ledger: readonly FoundCoin[]): string[] {
  const textOf = ({ walletId, valueSats }: FoundCoin): string => `${valueSats} sat of wallet ${walletId}`;
  const [here, there] = [new Map(found.map((c) => [c.outpoint, c])), new Map(ledger.map((c) => [c.outpoint, c]))];
  const differences: string[] = [];
  for (const [outpoint, coin] of here) {
    const other = there.get(outpoint);
    if (other === undefined) differences.push(`coin ${outpoint}: ${textOf(coin)}, not in the ledger`);
    else if (textOf(other) !== textOf(coin))
      differences.push(`coin ${outpoint}: ${textOf(coin)}, in the ledger ${textOf(other)}`);
  }
  for (const [outpoint, coin] of there)
    if (!here.has(outpoint)) differences.push(`coin ${outpoint}: ${textOf(coin)} in the ledger, not found`);
  return differences.sort();
}

function resultOf(walletId: string, found: readonly FoundCoin[], ledger: readonly FoundCoin[]): WalletResult {
  const of = (coins: readonly FoundCoin[]): FoundCoin[] => coins.filter((coin) => coin.walletId === walletId);
  const sum = (coins: readonly FoundCoin[]): bigint => coins.reduce((total, { valueSats }) => total + valueSats, 0n);
  const [mine, theirs] = [of(found), of(ledger)];
  return { walletId, coins: mine.length, sats: sum(mine), ledgerCoins: theirs.length, ledgerSats: sum(theirs) };
}
