import { type ParsedBlock, type ParsedTransaction } from '@finality/bitcoin';
import { unwrap } from '@finality/kernel';
import { type Payment, RegtestWallet } from './regtest-wallet.ts';
import { type ChainOptions, SimulatedChain } from './simulated-chain.ts';
import { SimulatedNode } from './simulated-node.ts';

export const NOW_MS = 1_800_000_000_000;
export const FEE_SATS = 1_000n;

/** A chain in memory with a miner who has `mature` coins to spend and a payee who has none. */
export async function chainWith(mature = 5, options: Partial<ChainOptions> = {}) {
  const clock = { nowMs: NOW_MS };
  const chain = new SimulatedChain({ now: () => clock.nowMs, ...options });
  const miner = new RegtestWallet('spec miner');
  const payee = new RegtestWallet('spec payee', 'tr');
  if (mature > 0) unwrap(chain.mine({ script: miner.script, count: 99 + mature }));
  const node = new SimulatedNode(chain);
  await miner.sync(node);
  const to = (valueSats: bigint): readonly Payment[] => [{ script: payee.script, valueSats }];
  const mine = (count = 1): void => void unwrap(chain.mine({ script: miner.script, count }));
  const tipTransactions = (): readonly string[] => chain.block(chain.tip).transactions.map((each) => each.txid);
  const reason = (transaction: ParsedTransaction): string => {
    const verdict = chain.accept(transaction);
    return verdict.ok ? 'accepted' : verdict.error;
  };
  const blockAt = (height: number): ParsedBlock => chain.block(chain.nodeAt(height)!);
  return { chain, node, miner, payee, clock, to, mine, tipTransactions, reason, blockAt };
}
