import {
  addressOf,
  type BlockHash,
  checkBlock,
  hexFromBytes,
  type Outpoint,
  outpointKey,
  parseAddress,
  type ParsedTransaction,
  parseHeader,
  parseTransaction,
  type Txid,
} from '@finality/bitcoin';
import type { RegtestNode } from '@finality/bitcoin-node';
import { buildBlock, MINER_WORD, type Payment, RegtestWallet, type WalletCoin } from '@finality/chain-simulator';
import { assert, unwrap } from '@finality/kernel';
import { until } from './wait.fixture.ts';

/** So many coinbases can be spent then: ten, of 50 bitcoin each. */
const BLOCKS_AT_START = 110;
const COINS = 80;
const COIN_SATS = 500_000_000n;
const FAN_OUT_FEE_SATS = 20_000n;
const BLOCKS_LOOKED_AT = 10;
/** More than 1 sat/vB, also for many payments. */
const FEE_SATS = 1_000n;
const FEE_SATS_PER_PAYMENT = 40n;

export interface PaidIn {
  readonly transaction: ParsedTransaction;
  /** `txid:vout` of each payment, in order. */
  readonly outpoints: readonly string[];
  readonly coin: WalletCoin;
}

export interface PayIn {
  readonly address: string;
  readonly valueSats: bigint;
}

/** Everybody who isn't one of us: a miner, somebody who pays in, and double-spends. */
export class Outside {
  #node: RegtestNode;
  readonly #miner = new RegtestWallet(MINER_WORD);
  readonly #wallet: RegtestWallet;
  readonly #coins: WalletCoin[];

  private constructor(node: RegtestNode, wallet: RegtestWallet, coins: WalletCoin[]) {
    this.#node = node;
    this.#wallet = wallet;
    this.#coins = coins;
  }

  /** Mines what can be spent, and splits it into coins of 5 bitcoin, so that no payment needs another one's change. */
  static async open(node: RegtestNode): Promise<Outside> {
    const miner = new RegtestWallet(MINER_WORD);
    const wallet = new RegtestWallet('outside');
    await node.mine(BLOCKS_AT_START, miner.address);
    await miner.sync(node);
    const payments = Array.from({ length: COINS }, () => ({ script: wallet.script, valueSats: COIN_SATS }));
    const fanOut = miner.pay(payments, { feeSats: FAN_OUT_FEE_SATS });
    const outside = new Outside(
      node,
      wallet,
      payments.map((_payment, vout) => wallet.coinOf(fanOut, vout)),
    );
    await outside.send(fanOut);
    await outside.mine(1);
    return outside;
  }

  get node(): RegtestNode {
    return this.#node;
  }

  /** The same node over another line. */
  reconnect(node: RegtestNode): void {
    this.#node = node;
  }

  /** Of whoever pays in. */
  get address(): string {
    return this.#wallet.address;
  }

  /** One transaction, in the mempool when this resolves. */
  async payIn(...payIns: readonly PayIn[]): Promise<PaidIn> {
    const coin = this.#coins.pop();
    assert(coin, `the outside world has ${COINS} coins`);
    const feeSats = FEE_SATS + FEE_SATS_PER_PAYMENT * BigInt(payIns.length);
    const transaction = this.#wallet.pay(payIns.map(paymentOf), { feeSats, coins: [coin] });
    await this.send(transaction);
    return { transaction, outpoints: payIns.map((_payIn, vout) => `${transaction.txid}:${vout}`), coin };
  }

  /** A coin for somebody outside whose address is known; confirmed when this resolves. */
  async hand(word: string, valueSats: bigint): Promise<{ wallet: RegtestWallet; coin: WalletCoin }> {
    const wallet = new RegtestWallet(word);
    const { transaction } = await this.payIn({ address: wallet.address, valueSats });
    await this.mine(1);
    return { wallet, coin: wallet.coinOf(transaction, 0) };
  }

  /** Spends what a payment spent, back to the payer, at a fee that replaces it in any mempool. */
  async takeBack({ coin, transaction }: PaidIn): Promise<Txid> {
    const feeSats = FEE_SATS * 20n;
    const back = this.#wallet.pay([{ script: this.#wallet.script, valueSats: coin.valueSats - feeSats }], {
      feeSats,
      coins: [coin],
    });
    assert(back.txid !== transaction.txid, 'it is another transaction');
    await this.send(back);
    return back.txid;
  }

  /** Spends what a payment spent on other payments, at a fee that replaces it in any mempool. */
  async payOtherwise({ coin }: PaidIn, ...payIns: readonly PayIn[]): Promise<PaidIn> {
    const transaction = this.#wallet.pay(payIns.map(paymentOf), { feeSats: FEE_SATS * 20n, coins: [coin] });
    await this.send(transaction);
    return { transaction, outpoints: payIns.map((_payIn, vout) => `${transaction.txid}:${vout}`), coin };
  }

  async send({ raw, txid }: ParsedTransaction): Promise<void> {
    const answer = await this.node.sendRawTransaction(raw);
    assert(answer.kind === 'accepted', `the node takes ${txid}: ${JSON.stringify(answer)} ${hexFromBytes(raw)}`);
  }

  async mine(count: number): Promise<readonly BlockHash[]> {
    return this.node.mine(count, this.#miner.address);
  }

  /** Blocks that nobody's transactions are in, whatever the node would mine. */
  async mineEmpty(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const { height, bestBlockHash } = await this.node.chainInfo();
      const header = await this.node.rawHeader(bestBlockHash);
      assert(header, 'the node has its own tip');
      const time = unwrap(parseHeader(header)).time + 1;
      // A miner need not take what is his: then no halving has to be thought of.
      const coinbase = { script: this.#miner.script, rewardSats: 0n, extraNonce: height };
      const plan = { previousHash: bestBlockHash, height: height + 1, time, transactions: [], ...coinbase };
      const refusal = await this.node.submitBlock(buildBlock(plan));
      assert(refusal === undefined, `the node takes an empty block: ${refusal}`);
    }
  }

  async height(): Promise<number> {
    return (await this.node.chainInfo()).height;
  }

  async tip(): Promise<BlockHash> {
    return (await this.node.chainInfo()).bestBlockHash;
  }

  /** A reorg's first half: the last blocks are no longer valid, what was in them is in the mempool again. */
  async takeBlocksBack(count: number): Promise<void> {
    const first = await this.node.blockHash((await this.height()) - count + 1);
    assert(first, 'there are so many blocks');
    await this.node.invalidateBlock(first);
  }

  /** What a transaction in one of the last blocks pays to a script. */
  async paidTo(txid: string, script: string): Promise<readonly bigint[]> {
    const height = await this.height();
    for (let back = 0; back < BLOCKS_LOOKED_AT; back++) {
      const hash = await this.node.blockHash(height - back);
      assert(hash, 'there are so many blocks');
      const raw = await this.node.rawBlock(hash);
      assert(raw, 'the node has its own blocks');
      const found = unwrap(checkBlock(raw, 'regtest')).transactions.find((transaction) => transaction.txid === txid);
      if (found) return found.outputs.filter((output) => output.script === script).map(({ valueSats }) => valueSats);
    }
    throw new Error(`${txid} is in none of the last ${BLOCKS_LOOKED_AT} blocks`);
  }

  /** As the node's mempool has it. */
  async pending(txid: string): Promise<ParsedTransaction> {
    const raw = await this.node.rawTransaction(txid as Txid);
    assert(raw, `the node has ${txid} in its mempool`);
    return unwrap(parseTransaction(raw));
  }

  /** What spends an output before it is in a block, once something does. */
  async spenderOf(outpoint: Outpoint, timeoutMs?: number): Promise<Txid> {
    const [spender] = await until(
      `${outpointKey(outpoint)} is spent in the mempool`,
      () => this.node.mempoolSpenders([outpoint]),
      ([found]) => found !== undefined,
      timeoutMs,
    );
    return spender!;
  }

  inMempool(txid: string): Promise<readonly Txid[]> {
    return until(
      `${txid} is in the mempool`,
      () => this.node.mempoolTxids(),
      (txids) => txids.includes(txid as Txid),
    );
  }
}

const paymentOf = ({ address, valueSats }: PayIn): Payment => ({
  script: unwrap(parseAddress(address, 'regtest')),
  valueSats,
});

/** Of a script that our side knows, for comparing. */
export const regtestAddress = (script: Parameters<typeof addressOf>[0]): string => addressOf(script, 'regtest')!;
