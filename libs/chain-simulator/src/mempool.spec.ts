import { type ParsedTransaction, parseTransaction, type ScriptHex } from '@finality/bitcoin';
import { unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { chainWith, FEE_SATS } from './chain.fixture.ts';
import { feeAt, POLICY } from './mempool-rules.ts';

const COIN = 100_000_000n;
const NULL_DATA = `6a04${'00'.repeat(4)}` as ScriptHex;

describe('the mempool refuses', () => {
  it('what spends nothing that is there', async () => {
    const { miner, payee, to, reason } = await chainWith(1);
    const unknown = { ...miner.coins()[0]!, vout: 7 };
    expect(reason(miner.pay(to(COIN), { feeSats: FEE_SATS, coins: [unknown] }))).toBe('bad-txns-inputs-missingorspent');
    expect(reason(payee.pay(to(COIN), { feeSats: FEE_SATS, coins: [unknown] }))).toBe('bad-txns-inputs-missingorspent');
  });
  it('what somebody else signed', async () => {
    const { miner, payee, to, reason } = await chainWith(1);
    expect(reason(payee.pay(to(COIN), { feeSats: FEE_SATS, coins: miner.coins() }))).toMatch(
      /^mempool-script-verify-flag-failed/,
    );
  });
  it('a coinbase’s output until 100 blocks are on top', async () => {
    const { chain, miner, to, mine, reason } = await chainWith(0);
    mine(100);
    const coin = miner.coinOf(chain.block(chain.nodeAt(1)!).transactions[0]!, 0);
    const transaction = miner.pay(to(COIN), { feeSats: FEE_SATS, coins: [coin] });
    chain.invalidate(chain.tip);
    expect(reason(transaction)).toBe('bad-txns-premature-spend-of-coinbase');
    mine();
    expect(reason(transaction)).toBe('accepted');
  });
  it('more paid out than paid in', async () => {
    const { miner, to, reason } = await chainWith(1);
    expect(reason(miner.pay(to(51n * COIN), { feeSats: -COIN }))).toBe('bad-txns-in-belowout');
  });
  it('too low a fee, to the satoshi', async () => {
    const { miner, to, reason } = await chainWith(2);
    const { vsize } = miner.pay(to(COIN), { feeSats: 0n, coins: miner.coins().slice(0, 1) });
    const least = feeAt(POLICY.relayFeeSatPerKvb, vsize);
    expect(reason(miner.pay(to(COIN), { feeSats: least - 1n }))).toBe(
      `min relay fee not met, ${least - 1n} < ${least}`,
    );
  });
  it('dust, and takes what is just not', async () => {
    const { miner, payee, reason } = await chainWith(4);
    const pay = (script: ScriptHex, valueSats: bigint): string =>
      reason(miner.pay([{ script, valueSats }], { feeSats: FEE_SATS }));
    expect([pay(payee.script, 329n), pay(miner.script, 293n)]).toEqual(['dust', 'dust']);
    expect([pay(payee.script, 330n), pay(miner.script, 294n)]).toEqual(['accepted', 'accepted']);
  });
  it('scripts of no known kind', async () => {
    const { miner, reason } = await chainWith(1);
    expect(reason(miner.pay([{ script: '51' as ScriptHex, valueSats: COIN }], { feeSats: FEE_SATS }))).toBe(
      'scriptpubkey',
    );
  });
  it('what is locked until later, by height, by time or relative to its coin', async () => {
    const { chain, miner, to, mine, reason, clock } = await chainWith(6);
    const { height } = chain.tip;
    const pay = (locktime: number): ParsedTransaction => miner.pay(to(COIN), { feeSats: FEE_SATS, locktime });
    expect([reason(pay(height + 1)), reason(pay(height))]).toEqual(['non-final', 'accepted']);
    expect(reason(pay(clock.nowMs / 1000 + 3_600))).toBe('non-final');
    const young = miner.pay(to(COIN), { feeSats: FEE_SATS });
    unwrap(chain.accept(young));
    mine();
    const coins = [{ ...miner.coinOf(young, 1) }];
    const relative = (sequence: number): string => reason(miner.pay(to(COIN), { feeSats: FEE_SATS, coins, sequence }));
    expect(relative(2)).toBe('non-BIP68-final');
    expect(relative(0x0040_0001)).toBe('non-BIP68-final');
    expect(relative(1)).toBe('accepted');
  });
  it('what it has, and what is mined', async () => {
    const { chain, miner, to, mine, reason } = await chainWith(1);
    const transaction = miner.pay(to(COIN), { feeSats: FEE_SATS });
    expect([reason(transaction), reason(transaction)]).toEqual(['accepted', 'txn-already-in-mempool']);
    mine();
    expect(reason(transaction)).toBe('txn-already-known');
    expect(chain.mempool.size).toBe(0);
  });
});

describe('a replacement', () => {
  const conflict = async () => {
    const made = await chainWith(4);
    const { miner, payee, to, reason } = made;
    const coins = miner.coins().slice(0, 1);
    const version = (feeSats: bigint, valueSats = COIN): ParsedTransaction =>
      miner.pay(to(valueSats), { feeSats, coins });
    const first = version(FEE_SATS);
    const child = payee.pay(to(COIN / 2n), { feeSats: 5_000n, coins: [payee.coinOf(first, 0)] });
    expect([reason(first), reason(child)]).toEqual(['accepted', 'accepted']);
    return { ...made, coins, version, first, child };
  };

  it('pays for all that it evicts, and for its own relay', async () => {
    const { chain, reason, version, first, child } = await conflict();
    const evictedSats = FEE_SATS + 5_000n;
    const relay = feeAt(POLICY.incrementalFeeSatPerKvb, first.vsize);
    expect(reason(version(evictedSats - 1n))).toMatch(/^insufficient fee, rejecting replacement .* less fees than/);
    expect(reason(version(evictedSats + relay - 1n))).toMatch(
      /^insufficient fee, .* not enough additional fees to relay/,
    );
    expect(chain.mempool.has(child.txid)).toBe(true);
    const second = version(evictedSats + relay);
    expect(reason(second)).toBe('accepted');
    expect(chain.mempool.entries().map((entry) => entry.transaction.txid)).toEqual([second.txid]);
  });
  it('needs no signal', async () => {
    const { miner, to, reason, coins } = await conflict();
    const final = miner.pay(to(COIN), { feeSats: 10_000n, coins, sequence: 0xffff_ffff });
    expect(reason(final)).toBe('accepted');
    expect(reason(miner.pay(to(COIN), { feeSats: 20_000n, coins }))).toBe('accepted');
  });
  it('has a better feerate, not just more fee', async () => {
    const { miner, to, reason, coins, child, chain } = await conflict();
    chain.evict(child.txid);
    const others = miner.coins();
    const many = [...to(COIN), ...Array.from({ length: 40 }, () => to(1_000n)[0]!)];
    const large = miner.pay(many, { feeSats: 2n * FEE_SATS, coins: [...coins, ...others] });
    expect(reason(large)).toMatch(/^replacement-failed, insufficient feerate/);
  });
  it('brings no unconfirmed input, and doesn’t spend what it evicts', async () => {
    const { miner, to, reason, coins, first, chain, child } = await conflict();
    const other = miner.pay(to(COIN), { feeSats: FEE_SATS });
    unwrap(chain.accept(other));
    const added = miner.pay(to(COIN), { feeSats: 50_000n, coins: [...coins, miner.coinOf(other, 1)] });
    expect(reason(added)).toMatch(/^replacement-adds-unconfirmed/);
    const own = miner.pay(to(COIN), { feeSats: 50_000n, coins: [...coins, miner.coinOf(first, 1)] });
    expect(reason(own)).toMatch(/^bad-txns-spends-conflicting-tx/);
    expect(chain.mempool.has(child.txid)).toBe(true);
  });
  it('evicts at most 100', async () => {
    const { chain, miner, to, reason } = await chainWith(3);
    const roots = miner.coins().map((coin) => {
      const root = miner.pay(
        Array.from({ length: 40 }, () => ({ script: miner.script, valueSats: COIN / 10n })),
        { feeSats: 10_000n, coins: [coin] },
      );
      unwrap(chain.accept(root));
      for (let vout = 0; vout < 40; vout++) {
        unwrap(chain.accept(miner.pay(to(1_000n), { feeSats: FEE_SATS, coins: [miner.coinOf(root, vout)] })));
      }
      return coin;
    });
    expect(chain.mempool.size).toBe(123);
    expect(reason(miner.pay(to(COIN), { feeSats: COIN, coins: roots }))).toMatch(/^too many potential replacements/);
    expect(reason(miner.pay(to(COIN), { feeSats: COIN, coins: roots.slice(0, 2) }))).toBe('accepted');
  });
});

describe('a cluster', () => {
  it('has at most 64 transactions', async () => {
    const { miner, to, reason } = await chainWith(2);
    let last = miner.pay(to(1_000n), { feeSats: FEE_SATS });
    expect(reason(last)).toBe('accepted');
    for (let count = 2; count <= 64; count++) {
      last = miner.pay(to(1_000n), { feeSats: FEE_SATS, coins: [miner.coinOf(last, 1)] });
      expect(reason(last), `${count}`).toBe('accepted');
    }
    expect(reason(miner.pay(to(1_000n), { feeSats: FEE_SATS, coins: [miner.coinOf(last, 1)] }))).toBe(
      'too-large-cluster',
    );
  });
});

describe('an eviction', () => {
  it('takes the children along, and leaves the coins to be spent again', async () => {
    const { chain, miner, payee, to, reason } = await chainWith(1);
    const parent = miner.pay(to(COIN), { feeSats: FEE_SATS });
    const child = payee.pay(to(COIN / 2n), { feeSats: FEE_SATS, coins: [payee.coinOf(parent, 0)] });
    expect([reason(parent), reason(child)]).toEqual(['accepted', 'accepted']);
    expect(chain.evict(parent.txid)).toEqual([child.txid, parent.txid]);
    expect([chain.mempool.size, chain.evict(parent.txid)]).toEqual([0, []]);
    expect([reason(child), reason(parent), reason(child)]).toEqual([
      'bad-txns-inputs-missingorspent',
      'accepted',
      'accepted',
    ]);
  });
});

describe('a trial', () => {
  it('of a package counts the parents in, and changes nothing', async () => {
    const { chain, miner, payee, to } = await chainWith(1);
    const parent = miner.pay([...to(COIN), { script: NULL_DATA, valueSats: 0n }], { feeSats: FEE_SATS });
    const child = payee.pay(to(COIN / 2n), { feeSats: COIN / 2n, coins: [payee.coinOf(parent, 0)] });
    expect(chain.test([child])[0]!.ok).toBe(false);
    expect(chain.test([parent, child]).map((verdict) => verdict.ok && verdict.value.feeSats)).toEqual([
      FEE_SATS,
      COIN / 2n,
    ]);
    expect(chain.mempool.size).toBe(0);
    expect(chain.test([unwrap(parseTransaction(parent.raw)), parent])[1]).toEqual({
      ok: false,
      error: 'txn-already-in-mempool',
    });
  });
});

describe('a block that can’t hold it all', () => {
  it('takes what pays best, with its parents', async () => {
    const { chain, miner, to, mine, tipTransactions } = await chainWith(48);
    const large = (feeSats: bigint): ParsedTransaction =>
      miner.pay(
        Array.from({ length: 2_300 }, () => to(1_000n)[0]!),
        { feeSats, coins: miner.coins().slice(0, 1) },
      );
    const cheap = Array.from({ length: 14 }, () => large(20_000n));
    for (const transaction of cheap) unwrap(chain.accept(transaction));
    const poor = miner.pay(to(1_000n), { feeSats: 20n });
    const rich = miner.pay(to(1_000n), { feeSats: COIN, coins: [miner.coinOf(poor, 1)] });
    unwrap(chain.accept(poor));
    unwrap(chain.accept(rich));
    mine();
    expect(tipTransactions()).toEqual(expect.arrayContaining([poor.txid, rich.txid]));
    expect(chain.block(chain.tip).weight).toBeLessThanOrEqual(4_000_000);
    expect(chain.mempool.size).toBeGreaterThan(0);
    mine();
    expect(chain.mempool.size).toBe(0);
  });
});

describe('a mempool that keeps nothing for long', () => {
  it('drops what has been there longer, with what spends it', async () => {
    const { chain, miner, payee, to } = await chainWith(2);
    const [first, second] = miner.coins();
    const old = miner.pay([{ script: miner.script, valueSats: COIN }], { feeSats: FEE_SATS, coins: [first!] });
    unwrap(chain.accept(old));
    const child = miner.pay(to(COIN / 2n), { feeSats: FEE_SATS, coins: [miner.coinOf(old, 0)] });
    unwrap(chain.accept(child));
    expect(chain.expire(1_000_000)).toEqual([]);
    expect([...chain.expire(-1_000_000)].sort()).toEqual([old.txid, child.txid].sort());
    unwrap(
      chain.accept(miner.pay([{ script: payee.script, valueSats: COIN }], { feeSats: FEE_SATS, coins: [second!] })),
    );
    expect(chain.mempool.size).toBe(1);
  });
});
