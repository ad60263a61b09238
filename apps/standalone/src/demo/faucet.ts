import { bytesFromHex, hexFromBytes, parseAddress, type Txid } from '@finality/bitcoin';
import type { RegtestNode } from '@finality/bitcoin-node';
import type { Payment, RegtestWallet } from '@finality/chain-simulator';
import { unwrap } from '@finality/kernel';
import { ScenarioFailed } from './wait.ts';

const FEE_SATS = 20_000n;
/** Blocks after which a coinbase can be spent, and the one that spends it. */
const MATURITY_BLOCKS = 101;
const BLOCKS_PER_CALL = 20;

export interface Deposit {
  readonly address: string;
  readonly valueSats: bigint;
}

/** A signed transaction that pays all deposits from what was mined to our miner, after mining enough for it. */
export async function buildFunding(
  node: RegtestNode,
  miner: RegtestWallet,
  deposits: readonly Deposit[],
): Promise<string> {
  const totalSats = deposits.reduce((total, { valueSats }) => total + valueSats, FEE_SATS);
  await miner.sync(node);
  if (spendable(miner) < totalSats) {
    for (let mined = 0; mined < MATURITY_BLOCKS; mined += BLOCKS_PER_CALL) {
      await node.mine(Math.min(BLOCKS_PER_CALL, MATURITY_BLOCKS - mined), miner.address);
    }
    await miner.sync(node);
  }
  if (spendable(miner) < totalSats) {
    throw new ScenarioFailed(
      `the node's blocks don't pay ${miner.address}, so there is nothing to deposit: start btcd by "npm run servers -- up btcd", or with --miningaddr=${miner.address}`,
    );
  }
  const payments = deposits.map(({ address, valueSats }): Payment => {
    return { script: unwrap(parseAddress(address, 'regtest')), valueSats };
  });
  return hexFromBytes(miner.pay(payments, { feeSats: FEE_SATS }).raw);
}

/** Idempotent: a transaction that the node has already is as good. */
export async function broadcastFunding(node: RegtestNode, rawHex: string): Promise<void> {
  const answer = await node.sendRawTransaction(bytesFromHex(rawHex));
  if (answer.kind === 'rejected' || answer.kind === 'unknown') {
    throw new ScenarioFailed(`the node doesn't take the deposits: ${JSON.stringify(answer)}`);
  }
}

export async function isInMempool(node: RegtestNode, txid: string): Promise<boolean> {
  return (await node.mempoolTxids()).includes(txid as Txid);
}

const spendable = (wallet: RegtestWallet): bigint =>
  wallet.coins().reduce((total, { valueSats }) => total + valueSats, 0n);
