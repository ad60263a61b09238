import { outpointKey, type ParsedTransaction, type ScriptHex, type Txid } from '@finality/bitcoin';
import { NodeFaults, type Outage, RegtestWallet, SimulatedChain, SimulatedNode } from '@finality/chain-simulator';
import { assert, unwrap } from '@finality/kernel';
import type { SeededRandom, VirtualClock } from '@finality/testing/simulation';

const COINBASE_MATURITY = 100;
/** What the outside pays from: so many coins of that value. */
const COINS = 120;
const COIN_SATS = 30_000_000n;
const FEE_SATS = 2_000n;
const REPLACEMENT_FEE_SATS = 60_000n;

/** The chain, its miner, and everybody who isn't the platform. */
export class Outside {
  readonly chain: SimulatedChain;
  readonly node: SimulatedNode;
  /** The block before which no wallet of ours can have anything. */
  readonly startHeight: number;
  readonly #wallet = new RegtestWallet('simulation');
  readonly #faults = new NodeFaults();
  readonly #deposits = new Map<Txid, ParsedTransaction>();

  private constructor(clock: VirtualClock) {
    this.chain = new SimulatedChain({ now: () => clock.now() });
    this.node = new SimulatedNode(this.chain, this.#faults);
    this.mine(COINBASE_MATURITY + 1);
    this.startHeight = COINBASE_MATURITY + 2;
  }

  /** A chain on which the outside has money to pay in. */
  static async make(clock: VirtualClock): Promise<Outside> {
    const outside = new Outside(clock);
    await outside.sync();
    const many = Array.from({ length: COINS }, () => ({ script: outside.#wallet.script, valueSats: COIN_SATS }));
    unwrap(outside.chain.accept(outside.#wallet.pay(many, { feeSats: 100_000n })));
    outside.mine(2);
    await outside.sync();
    return outside;
  }

  /** Changes whenever the chain or its mempool may have. */
  get version(): string {
    return `${this.chain.tip.hash} ${this.chain.mempool
      .entries()
      .map(({ transaction }) => transaction.txid)
      .join(' ')}`;
  }

  /** Whether the last block has nobody's transactions. */
  get isTipEmpty(): boolean {
    return this.chain.block(this.chain.tip).transactions.length === 1;
  }

  get outage(): Outage {
    return this.#faults.outage;
  }

  set outage(outage: Outage) {
    this.#faults.outage = outage;
  }

  /** Forgets what was paid and isn't mined: it may be paid once more. */
  async sync(): Promise<void> {
    const { outage } = this.#faults;
    this.#faults.outage = 'none';
    await this.#wallet.sync(this.node);
    this.#faults.outage = outage;
  }

  mine(count = 1): void {
    unwrap(this.chain.mine({ script: this.#wallet.script, count }));
  }

  /** Pays a script; undefined when the mempool doesn't take it, as it spends what something in it spends. */
  deposit(script: ScriptHex, valueSats: bigint): Txid | undefined {
    const [coin] = this.#wallet.coins().filter((each) => !each.coinbase && each.valueSats > valueSats + FEE_SATS);
    if (!coin) return undefined;
    const transaction = this.#wallet.pay([{ script, valueSats }], { feeSats: FEE_SATS, coins: [coin] });
    if (!this.chain.accept(transaction).ok) return undefined;
    this.#deposits.set(transaction.txid, transaction);
    return transaction.txid;
  }

  /** Takes a deposit back by a transaction that pays itself and a higher fee. */
  replaceDeposit(random: SeededRandom): Txid | undefined {
    const pending = [...this.#deposits.values()].filter(({ txid }) => this.chain.mempool.has(txid));
    if (pending.length === 0) return undefined;
    const { txid, inputs } = random.pick(pending);
    const coins = inputs.map(({ outpoint }) => {
      const coin = this.chain.coin(outpoint);
      assert(coin, `${outpointKey(outpoint)} is confirmed`);
      return { ...outpoint, valueSats: coin.valueSats, height: coin.height, coinbase: coin.coinbase };
    });
    const replacement = this.#wallet.pay([], { feeSats: REPLACEMENT_FEE_SATS, coins });
    return this.chain.accept(replacement).ok ? txid : undefined;
  }

  /** The last blocks are given up for one more. What they held goes back to the mempool, but for what is lost on the way. */
  reorg(random: SeededRandom, depth: number, lossProbability: number): { readonly lost: number } {
    const first = this.chain.nodeAt(this.chain.tip.height - depth + 1);
    assert(first && first.height > this.startHeight, 'blocks of before the platform stay');
    this.chain.invalidate(first);
    const { lost } = this.evict(random, lossProbability);
    const isEmpty = random.chance(0.5);
    for (let i = 0; i <= depth; i++) {
      unwrap(this.chain.mine({ script: this.#wallet.script, ...(isEmpty && { transactions: [] }) }));
    }
    return { lost };
  }

  /** Transactions that the node forgets. */
  evict(random: SeededRandom, probability: number): { readonly lost: number } {
    let lost = 0;
    for (const { transaction } of this.chain.mempool.entries()) {
      if (random.chance(probability)) lost += this.chain.evict(transaction.txid).length;
    }
    return { lost };
  }
}
