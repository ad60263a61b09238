import { checkBlock, hexFromBytes, parseBlock, workOf } from '@finality/bitcoin';
import { unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { buildBlock } from './block-builder.ts';
import { chainWith, FEE_SATS, NOW_MS } from './chain.fixture.ts';
import { medianTimePast, REGTEST, subsidySats } from './consensus.ts';
import { SimulatedChain } from './simulated-chain.ts';

const COIN = 100_000_000n;

describe('mining', () => {
  it('begins with the genesis block of regtest', async () => {
    const { chain } = await chainWith(0);
    expect(chain.tip.hash).toBe('0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206');
    expect(chain.coins.size).toBe(0);
  });
  it('makes blocks that hold: link, proof of work, merkle root, commitment, growing time and work', async () => {
    const { chain, mine } = await chainWith(0);
    mine(30);
    for (let height = 1; height <= 30; height++) {
      const [node, parent] = [chain.nodeAt(height)!, chain.nodeAt(height - 1)!];
      const { header } = unwrap(checkBlock(node.raw, 'regtest', parent.hash));
      expect(header.bits).toBe(REGTEST.bits);
      expect(header.time).toBeGreaterThan(medianTimePast(parent));
      expect(node.chainWork).toBe(parent.chainWork + workOf(REGTEST.bits));
    }
    expect(chain.tip.time).toBeGreaterThanOrEqual(NOW_MS / 1000);
  });
  it('halves the subsidy every 150 blocks', async () => {
    expect([1, 149, 150, 299, 300, 9_600].map(subsidySats)).toEqual([
      50n * COIN,
      50n * COIN,
      25n * COIN,
      25n * COIN,
      (25n * COIN) / 2n,
      0n,
    ]);
    const { blockAt, mine } = await chainWith(0);
    mine(151);
    expect([149, 150].map((height) => blockAt(height).transactions[0]!.outputs[0]!.valueSats)).toEqual([
      50n * COIN,
      25n * COIN,
    ]);
  });
  it('never makes the same block twice, though time and payee are the same', async () => {
    const { chain, miner } = await chainWith(0);
    const [first] = unwrap(chain.mine({ script: miner.script }));
    chain.invalidate(chain.node(first!)!);
    const [second] = unwrap(chain.mine({ script: miner.script }));
    expect(second).not.toBe(first);
  });
  it('is the same every time, byte for byte', async () => {
    const run = async (): Promise<string> => {
      const { chain, miner, to, mine } = await chainWith(2);
      unwrap(chain.accept(miner.pay(to(5n * COIN), { feeSats: FEE_SATS })));
      mine(2);
      return hexFromBytes(chain.tip.raw);
    };
    expect(await run()).toBe(await run());
  });
  it('pays the fees to the miner', async () => {
    const { chain, miner, to, mine, blockAt } = await chainWith(1);
    const parent = miner.pay(to(10n * COIN), { feeSats: 7_000n });
    unwrap(chain.accept(parent));
    unwrap(chain.accept(miner.pay(to(COIN), { feeSats: 5_000n, coins: [miner.coinOf(parent, 1)] })));
    mine();
    expect(blockAt(chain.tip.height).transactions[0]!.outputs[0]!.valueSats).toBe(50n * COIN + 12_000n);
  });
  it('can leave the mempool out, or take chosen transactions alone', async () => {
    const { chain, miner, to, tipTransactions } = await chainWith(3);
    const [waiting, chosen] = [miner.pay(to(COIN), { feeSats: FEE_SATS }), miner.pay(to(COIN), { feeSats: FEE_SATS })];
    unwrap(chain.accept(waiting));
    unwrap(chain.mine({ script: miner.script, transactions: [] }));
    expect(tipTransactions()).toHaveLength(1);
    unwrap(chain.mine({ script: miner.script, transactions: [chosen] }));
    expect(tipTransactions().slice(1)).toEqual([chosen.txid]);
    expect(chain.mempool.has(waiting.txid)).toBe(true);
  });
  it('throws out of the mempool what conflicts with the block, and what spends that', async () => {
    const { chain, miner, payee, to } = await chainWith(1);
    const coins = miner.coins().slice(0, 1);
    const lost = miner.pay(to(COIN), { feeSats: FEE_SATS, coins });
    const child = payee.pay(to(COIN / 2n), { feeSats: FEE_SATS, coins: [payee.coinOf(lost, 0)] });
    const winner = miner.pay(to(2n * COIN), { feeSats: FEE_SATS, coins });
    unwrap(chain.accept(lost));
    unwrap(chain.accept(child));
    unwrap(chain.mine({ script: miner.script, transactions: [winner] }));
    expect(chain.mempool.size).toBe(0);
    expect(chain.findTransaction(winner.txid)?.block).toBe(chain.tip);
    expect(chain.findTransaction(lost.txid)).toBeUndefined();
  });
  it('refuses transactions that can’t be in a block, and stays as it was', async () => {
    const { chain, miner, to } = await chainWith(1);
    const before = [chain.tip, chain.coins.size];
    const coins = miner.coins().slice(0, 1);
    const [one, two] = [miner.pay(to(COIN), { feeSats: 1n, coins }), miner.pay(to(COIN), { feeSats: 2n, coins })];
    expect(chain.mine({ script: miner.script, transactions: [one, two] })).toEqual({
      ok: false,
      error: 'bad-txns-inputs-missingorspent',
    });
    expect([chain.tip, chain.coins.size]).toEqual(before);
  });
});

describe('a block from outside', () => {
  const plan = async () => {
    const made = await chainWith(1);
    const { chain, miner } = made;
    const base = {
      previousHash: chain.tip.hash,
      height: chain.tip.height + 1,
      time: chain.tip.time + 1,
      script: miner.script,
      rewardSats: 50n * COIN,
      transactions: [],
      extraNonce: 99,
    };
    const answer = (raw: Uint8Array): string => {
      const taken = chain.submitBlock(raw);
      return taken.ok ? 'taken' : taken.error;
    };
    return { ...made, base, answer };
  };

  it('is taken when it follows the rules, once', async () => {
    const { chain, base, answer } = await plan();
    const raw = buildBlock(base);
    expect([answer(raw), answer(raw)]).toEqual(['taken', 'duplicate']);
    expect(chain.tip.hash).toBe(unwrap(parseBlock(raw)).header.hash);
  });
  it.each([
    ['bad-cb-amount', { rewardSats: 50n * COIN + 1n }],
    ['bad-cb-height', { height: 7 }],
    ['time-too-old', { time: 1_296_688_602 }],
    ['time-too-new', { time: NOW_MS / 1000 + 7_201 }],
    ['prev-blk-not-found', { previousHash: 'ab'.repeat(32) as never }],
  ])('is refused with %s', async (reason, change) => {
    const { base, answer, chain } = await plan();
    const { tip } = chain;
    expect(answer(buildBlock({ ...base, ...change }))).toBe(reason);
    expect(chain.tip).toBe(tip);
  });
  it('is refused with another header, without work, or damaged', async () => {
    const { base, answer } = await plan();
    const withByte = (offset: number, value: number): Uint8Array => {
      const raw = Uint8Array.from(buildBlock(base));
      raw[offset] = value;
      return raw;
    };
    const nonceWithoutWork = Array.from({ length: 64 }, (_each, nonce) => withByte(77, nonce)).map(answer);
    expect(nonceWithoutWork).toContain('high-hash');
    expect(answer(withByte(74, 0x7e))).toMatch(/^(bad-diffbits|high-hash)$/);
    expect(answer(buildBlock(base).subarray(0, 100))).toBe('malformed');
  });
  it('is refused with a spend that is forged, too early or of a spent coin; the chain stays', async () => {
    const { chain, miner, payee, to, base, answer } = await plan();
    const coins = miner.coins().slice(0, 1);
    const good = miner.pay(to(COIN), { feeSats: FEE_SATS, coins });
    const stolen = payee.pay(to(COIN), { feeSats: FEE_SATS, coins });
    const early = miner.pay(to(COIN), {
      feeSats: FEE_SATS,
      coins: [miner.coinOf(chain.block(chain.tip).transactions[0]!, 0)],
    });
    const twice = miner.pay(to(2n * COIN), { feeSats: FEE_SATS, coins });
    const { tip } = chain;
    const size = chain.coins.size;
    expect(answer(buildBlock({ ...base, transactions: [stolen] }))).toMatch(/^block-script-verify-flag-failed/);
    expect(answer(buildBlock({ ...base, transactions: [early] }))).toBe('bad-txns-premature-spend-of-coinbase');
    expect(answer(buildBlock({ ...base, transactions: [good, twice] }))).toBe('bad-txns-inputs-missingorspent');
    expect([chain.tip, chain.coins.size]).toEqual([tip, size]);
    expect(answer(buildBlock({ ...base, transactions: [good] }))).toBe('taken');
  });
  it('on top of one that failed is refused', async () => {
    const { chain, base, answer } = await plan();
    const bad = buildBlock({ ...base, rewardSats: 51n * COIN });
    answer(bad);
    const { hash } = unwrap(parseBlock(bad)).header;
    expect(answer(bad)).toBe('duplicate-invalid');
    expect(answer(buildBlock({ ...base, previousHash: hash, height: base.height + 1, time: base.time + 9 }))).toBe(
      'bad-prevblk',
    );
    expect(chain.tips().find((tip) => tip.hash === hash)?.failed).toBe(true);
  });
});

describe('branches', () => {
  it('are followed by work, and of equals the first', async () => {
    const { chain, miner, mine } = await chainWith(1);
    const fork = chain.tip;
    mine(2);
    const first = chain.tip;
    const [a, b] = unwrap(chain.mine({ script: miner.script, parent: fork.hash, count: 2 }));
    expect(chain.tip).toBe(first);
    expect(chain.isActive(chain.node(a!)!)).toBe(false);
    unwrap(chain.mine({ script: miner.script, parent: b! }));
    expect(chain.tip.parent!.hash).toBe(b);
    expect(
      chain
        .tips()
        .map((tip) => tip.hash)
        .sort(),
    ).toEqual([first.hash, chain.tip.hash].sort());
  });
  it.each([1, 3, 12])('of %i blocks give their transactions back when they are left', async (depth) => {
    const { chain, miner, to, mine } = await chainWith(20);
    const size = chain.coins.size;
    const paid = Array.from({ length: depth }, () => {
      const transaction = miner.pay(to(COIN), { feeSats: FEE_SATS });
      unwrap(chain.accept(transaction));
      mine();
      return transaction.txid;
    });
    unwrap(chain.reorg(depth, { script: miner.script }));
    expect(chain.mempool.entries().map((entry) => entry.transaction.txid)).toEqual(paid);
    // Each block of the new branch adds a coin; nothing of the old one is left.
    expect(chain.coins.size).toBe(size + depth + 1);
    mine();
    expect(chain.mempool.size).toBe(0);
    for (const txid of paid) expect(chain.findTransaction(txid)?.block).toBe(chain.tip);
  });
  it('don’t give back what the new one excludes, nor what spends that', async () => {
    const { chain, miner, payee, to, mine } = await chainWith(2);
    const coins = miner.coins().slice(0, 1);
    const lost = miner.pay(to(COIN), { feeSats: FEE_SATS, coins });
    const child = payee.pay(to(COIN / 2n), { feeSats: FEE_SATS, coins: [payee.coinOf(lost, 0)] });
    unwrap(chain.accept(lost));
    mine();
    unwrap(chain.accept(child));
    const winner = miner.pay(to(2n * COIN), { feeSats: FEE_SATS, coins });
    unwrap(chain.reorg(1, { script: miner.script, transactions: [winner] }));
    expect(chain.mempool.size).toBe(0);
    expect(chain.findTransaction(winner.txid)?.block?.height).toBe(chain.tip.height - 1);
  });
  it('that turn out invalid are left again', async () => {
    const { chain, miner, mine } = await chainWith(1);
    const fork = chain.tip;
    mine();
    const { tip } = chain;
    const build = (parent: typeof fork, extraNonce: number, rewardSats: bigint) => {
      const height = parent.height + 1;
      return buildBlock({
        previousHash: parent.hash,
        height,
        time: parent.time + 1,
        script: miner.script,
        rewardSats,
        transactions: [],
        extraNonce,
      });
    };
    const bad = unwrap(chain.submitBlock(build(fork, 1_000, 51n * COIN)));
    expect(chain.tip).toBe(tip);
    expect(chain.submitBlock(build(bad, 1_001, 50n * COIN))).toEqual({ ok: false, error: 'bad-prevblk' });
    expect(chain.tip).toBe(tip);
    expect(bad.failed).toBe(true);
  });
  it('can be declared invalid and valid again', async () => {
    const { chain, miner, to, mine } = await chainWith(2);
    const transaction = miner.pay(to(COIN), { feeSats: FEE_SATS });
    unwrap(chain.accept(transaction));
    const start = chain.tip;
    mine(3);
    const { tip } = chain;
    chain.invalidate(chain.nodeAt(start.height + 1)!);
    expect(chain.tip).toBe(start);
    expect(chain.mempool.has(transaction.txid)).toBe(true);
    mine();
    expect(chain.findTransaction(transaction.txid)?.block).toBe(chain.tip);
    chain.reconsider(tip);
    expect(chain.tip).toBe(tip);
    expect(chain.mempool.size).toBe(0);
  });
  it('declared invalid deeper than 10 lose transactions, as Bitcoin Core does', async () => {
    const { chain, miner, to, mine } = await chainWith(20);
    const start = chain.tip.height;
    const paid = Array.from({ length: 12 }, () => {
      const transaction = miner.pay(to(COIN), { feeSats: FEE_SATS });
      unwrap(chain.accept(transaction));
      mine();
      return transaction.txid;
    });
    chain.invalidate(chain.nodeAt(start + 1)!);
    expect(chain.mempool.entries().map((entry) => entry.transaction.txid)).toEqual(paid.slice(2));
  });
});

describe('a journal', () => {
  it('gives the same chain and mempool again', async () => {
    const records: Parameters<NonNullable<ConstructorParameters<typeof SimulatedChain>[0]['journal']>['append']>[0][] =
      [];
    const { chain, miner, to, mine } = await chainWith(6, {
      journal: { append: (record) => void records.push(record) },
    });
    for (let i = 0; i < 4; i++) {
      unwrap(chain.accept(miner.pay(to(COIN), { feeSats: FEE_SATS })));
      mine();
    }
    const old = chain.tip;
    unwrap(chain.reorg(2, { script: miner.script }));
    const [gone, kept] = chain.mempool.entries();
    chain.evict(gone!.transaction.txid);
    // Now as long as the old branch, which was first.
    chain.invalidate(chain.tip);
    expect(chain.tip).toBe(old);
    chain.invalidate(old);
    chain.reconsider(old);
    unwrap(chain.accept(miner.pay(to(COIN), { feeSats: FEE_SATS })));
    expect(kept).toBeDefined();
    const again = new SimulatedChain({ now: () => NOW_MS, records });
    const view = (each: SimulatedChain): unknown => [
      each.tip.hash,
      each.tips().map((tip) => [tip.hash, tip.failed]),
      [...each.coins.entries()].sort(),
      each.mempool.entries().map((entry) => [entry.transaction.txid, entry.time]),
    ];
    expect(view(again)).toEqual(view(chain));
    expect(chain.mempool.size).toBeGreaterThan(0);
    mine();
    expect(unwrap(again.mine({ script: miner.script }))).toEqual([chain.tip.hash]);
  });
});

describe('a chain that begins as a copy', () => {
  it('has all that the other has, and goes its own way', async () => {
    const { chain, miner, to } = await chainWith();
    const copy = new SimulatedChain({ now: () => NOW_MS, from: chain });
    expect(copy.tip.hash).toBe(chain.tip.hash);
    expect([...copy.coins.entries()]).toEqual([...chain.coins.entries()]);
    const paid = miner.pay(to(COIN), { feeSats: FEE_SATS });
    unwrap(copy.accept(paid));
    const [mined] = unwrap(copy.mine({ script: miner.script }));
    expect(copy.findTransaction(paid.txid)?.block?.hash).toBe(mined);
    expect(chain.findTransaction(paid.txid)).toBeUndefined();
    expect(chain.node(mined!)).toBeUndefined();
    copy.invalidate(copy.nodeAt(1)!);
    expect(copy.tip.height).toBe(0);
    expect(chain.tip.failed).toBe(false);
    unwrap(chain.accept(paid));
    expect(() => new SimulatedChain({ now: () => NOW_MS, from: chain })).toThrow(/mempool/);
  });
});
