import type { OutpointKey, Txid } from '@finality/bitcoin';
import { creditBalance, custodyAccount, walletSuspenseAccount } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import { tipHash } from '../chain-tip.ts';
import { arrive, balance, empty, funded, given, mined, reorged, screened, WALLET_A } from '../spec/given.fixture.ts';
import type { World } from '../spec/world.fixture.ts';
import { sha } from '../spec/world-chain.fixture.ts';

const MONEY = funded('a', 'wallet', 90_000n);
const coinOf = (world: World) => world.book.coins.ofWallet('w-a')[0]!;
const custody = (world: World): bigint => -creditBalance(world.book.ledger.account(custodyAccount('w-a')));
const missing = (world: World): bigint => -creditBalance(world.book.ledger.account(walletSuspenseAccount('w-a')));
const stolen = (world: World): void =>
  world.mine(() => false, [world.pay([coinOf(world).outpoint], [{ script: world.elsewhere(), valueSats: 1n }])]);
const forgotten =
  (depth: number) =>
  (world: World): void =>
    world.reorg(depth, () => false);

describe('a block', () => {
  it('moves the tip, and takes it back', () => {
    const world = given(mined(3)).when(mined(1)).then('tip block_connected');
    expect(world.book.tip.get().height).toBe(world.chain.tip.height);
    expect(tipHash(world.book.tip.get())).toBe(world.chain.tip.hash);
    const back = given(mined(3)).when(reorged(2)).then('tip block_disconnected', 'tip block_disconnected');
    expect(tipHash(back.book.tip.get())).toBe(back.chain.tip.hash);
  });

  it('with nothing of ours leaves no trace but the tip', () => {
    const foreign = (world: World): void =>
      world.mine(() => false, [world.pay([world.chain.root()], [{ script: world.elsewhere(), valueSats: 1n }])]);
    given(MONEY).when(foreign).then('tip block_connected');
  });
});

describe('a coin', () => {
  it('is the wallet’s once it is in a block', () => {
    expect(custody(given((world) => arrive(world, 'a', 'wallet', 90_000n)).when(empty(1)).world)).toBe(0n);
    const world = given(MONEY).when(empty(0)).world;
    expect(custody(world)).toBe(90_000n);
    expect(coinOf(world)).toMatchObject({ life: 1, spends: 0, released: true });
  });

  it('goes with its block and comes with the next', () => {
    expect(custody(given(MONEY).when(reorged(3)).world)).toBe(0n);
    const world = given(MONEY, reorged(3)).when(mined(1)).world;
    expect(custody(world)).toBe(90_000n);
    expect(coinOf(world)).toMatchObject({ life: 2, released: false });
  });

  it('taken by somebody else is missing, in the open', () => {
    const world = given(MONEY).when(stolen).then('tip incident_opened', 'tip coin_taken', 'tip block_connected');
    expect([custody(world), missing(world)]).toEqual([0n, 90_000n]);
    expect(balance(world, WALLET_A)).toEqual({ available: 90_000n });
  });

  it('taken, is back when that block is gone', () => {
    const world = given(MONEY, stolen).when(forgotten(1)).then('tip coin_returned', 'tip block_disconnected');
    expect([custody(world), missing(world)]).toEqual([90_000n, 0n]);
    const again = given(MONEY, stolen, forgotten(1)).when(stolen).world;
    expect(coinOf(again).spends).toBe(2);
    expect(missing(again)).toBe(90_000n);
  });

  it('taken and gone together, whichever is told first', () => {
    const both = (world: World): void => {
      const tx = world.pay([coinOf(world).outpoint], [{ script: world.elsewhere(), valueSats: 1n }]);
      const parent = world.chain.known.get(coinOf(world).outpoint.slice(0, 64) as Txid)!;
      world.reorg(3, () => false);
      world.mine(() => false, [parent, tx]);
    };
    const world = given(MONEY, both).when(forgotten(1)).world;
    expect([custody(world), missing(world)]).toEqual([0n, 0n]);
    expect(coinOf(world)).not.toHaveProperty('spentBy');
  });

  it('taken by a transaction that pays us elsewhere: what comes back is a deposit', () => {
    const shuffled = (world: World): void => {
      const place = world.place('w-b', 'b', 'wallet');
      world.announce(place, false);
      world.mine(() => false, [world.pay([coinOf(world).outpoint], [{ script: place.script, valueSats: 80_000n }])]);
    };
    const world = given(MONEY)
      .when(shuffled)
      .then(
        'tip incident_opened',
        'tip coin_taken',
        'deposit deposit_detected',
        'deposit deposit_confirmed',
        'tip block_connected',
      );
    expect(missing(world)).toBe(90_000n);
  });
});

describe('facts about what nobody knows', () => {
  const txid = sha('nobody') as Txid;
  const block = { height: 101, hash: sha('block') };

  it.each([
    { kind: 'transaction_unconfirmed', txid, block },
    { kind: 'transaction_replaced', txid, byTxid: txid, outpoint: 'x:0', byBlock: block },
    { kind: 'transaction_evicted', txid },
    { kind: 'transaction_broadcast', txid, answer: 'accepted' },
    { kind: 'transaction_seen', transaction: { txid, coinbase: false, inputs: [], outputs: [] } },
    {
      kind: 'transaction_confirmed',
      block,
      transaction: {
        txid,
        coinbase: false,
        inputs: [{ outpoint: `${txid}:0` as OutpointKey, script: '', address: '' }],
        outputs: [],
      },
    },
  ] as const)('$kind: nothing', (fact) => {
    given(MONEY).when({ type: 'chain_fact', fact }).then();
  });
});

it('what is due is looked at once, deposits before what they pay for', () => {
  const world = given((it: World) => screened(it, arrive(it, 'a', 'wallet', 90_000n)), mined(2)).when(mined(1)).world;
  expect(world.book.waiting()).toEqual([]);
});
