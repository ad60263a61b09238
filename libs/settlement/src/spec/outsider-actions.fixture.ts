import type { OutpointKey } from '@finality/bitcoin';
import type { Coin } from '../coin.ts';
import { INSTITUTIONS } from './parties.fixture.ts';
import { bit, pick } from './picks.fixture.ts';
import type { WorldTx } from './world-chain.fixture.ts';
import type { World } from './world.fixture.ts';

const VALUES = [100n, 330n, 1_000n, 20_000n, 50_000n, 120_000n, 200_000n];

/** Where outsiders pay: mostly to addresses of clearing and wallets, sometimes where nothing should come in. */
function target(
  world: World,
  a: number,
  b: number,
): { script: WorldTx['outputs'][number]['script']; valueSats: bigint } {
  const institutionId = pick(INSTITUTIONS, a)!;
  const valueSats = pick(VALUES, b)! * (bit(b, 8) ? 0n : 1n);
  const reused = pick(world.places, b >> 3);
  if (bit(a, 4) && bit(a, 5) && reused !== undefined) return { script: reused.script, valueSats };
  const isClearing = bit(a, 3);
  const watched = a % 11 !== 0;
  const purpose = a % 13 === 0 ? 'change' : isClearing ? 'clearing' : 'wallet';
  const place = world.place(isClearing ? 'pool' : `w-${institutionId}`, institutionId, purpose, watched);
  // Some are never announced: unissued.
  if (a % 17 !== 0) world.announce(place, bit(a, 6));
  return { script: place.script, valueSats };
}

export function payIn(world: World, a: number, b: number, c: number): void {
  const isCoinbase = c % 19 === 0;
  const spends = isCoinbase ? [] : Array.from({ length: 1 + (c % 2) }, () => world.chain.root());
  const outputs = [target(world, a, b)];
  if (bit(c, 3)) outputs.push(target(world, a >> 3, b >> 3));
  if (bit(c, 4)) outputs.push({ script: world.elsewhere(), valueSats: 10_000n });
  const tx = world.pay(spends, outputs, isCoinbase);
  if (isCoinbase || bit(c, 5)) return world.mine(() => bit(c, 6), [tx]);
  world.chain.accept(tx);
  if (!bit(c, 7)) world.poll(false);
}

/** Another transaction that spends what an outsider's spends: to somebody else, or to the same. */
export function doubleSpend(world: World, a: number, b: number): void {
  const foreign = [...world.chain.known.values()].filter(({ spends }) => spends.some((o) => world.chain.isRoot(o)));
  const rival = pick(foreign.slice(-12), a);
  if (rival === undefined) return;
  const outpoint = rival.spends.find((o) => world.chain.isRoot(o))!;
  const outputs = bit(b, 0) ? [...rival.outputs] : [{ script: world.elsewhere(), valueSats: 5_000n }];
  const tx = world.pay([outpoint], outputs);
  if (bit(b, 1)) world.mine(() => false, [tx]);
  else if (world.chain.accept(tx) && bit(b, 2)) world.poll(false);
}

/** An outsider passes on what came from an unconfirmed transaction. */
export function child(world: World, a: number, b: number): void {
  const ours = new Set(world.places.map((place) => place.script));
  const parents = [...world.chain.known.values()].flatMap((tx) =>
    tx.outputs
      .filter(({ script, valueSats }) => !ours.has(script) && valueSats > 0n)
      .map(({ vout }) => `${tx.txid}:${vout}` as OutpointKey),
  );
  const outpoint = pick(parents.slice(-6), a);
  if (outpoint !== undefined) world.chain.accept(world.pay([outpoint], [target(world, b, a)]));
}

/** Somebody else spends a coin of ours, to himself or to another address of ours. */
export function steal(world: World, a: number, b: number): void {
  const coins = INSTITUTIONS.flatMap((id) => world.book.coins.ofWallet(`w-${id}`));
  spendOf(world, coins, a, b);
}

/** Whoever has the keys spends what is his, for himself and with change. */
export function ownSpend(world: World, a: number, b: number): void {
  spendOf(world, world.book.coins.ofWallet(bit(b, 3) ? 'w-d' : 'w-d2'), a, b | 1);
}

function spendOf(world: World, coins: readonly Coin[], a: number, b: number): void {
  const claimed = coins.filter((coin) => coin.claimedBy !== undefined && coin.spentBy === undefined);
  const coin = pick(bit(b, 2) && claimed.length > 0 ? claimed : coins, a >> 2);
  if (coin === undefined) return;
  const outputs = [{ script: world.elsewhere(), valueSats: 400n }];
  if (bit(b, 0)) outputs.push(target(world, b, a));
  const tx = world.pay([coin.outpoint], outputs);
  if (bit(b, 1)) world.mine(() => false, [tx]);
  else world.chain.accept(tx);
}

/** The worst: a reorg that takes a deposit's block, and another branch in which what it came from is spent otherwise. */
export function undo(world: World, a: number, b: number, c: number): void {
  const recent = world.chain.blocks.slice(-7);
  const blocks = recent.map((block, i) => ({ depth: recent.length - i, txs: block.txs }));
  const rivals = blocks.flatMap(({ depth, txs }) =>
    txs.filter(({ spends }) => spends.some((o) => world.chain.isRoot(o))).map((tx) => ({ depth, tx })),
  );
  const isNeeded = ({ tx }: (typeof rivals)[number]): boolean =>
    tx.outputs.some(({ vout }) => world.book.coins.find(`${tx.txid}:${vout}` as OutpointKey)?.claimedBy !== undefined);
  const rival = (bit(b, 4) ? undefined : pick(rivals.filter(isNeeded), a)) ?? pick(rivals, a);
  if (rival === undefined) return;
  world.reorg(rival.depth, () => bit(b, 0));
  const outpoint = rival.tx.spends.find((o) => world.chain.isRoot(o))!;
  const tx = world.pay([outpoint], [{ script: world.elsewhere(), valueSats: 5_000n }]);
  if (bit(b, 1)) world.chain.accept(tx);
  else world.mine(() => bit(b, 2), [tx]);
  for (let i = 0; i < c % 8; i++) world.mine(() => bit(b, 3));
}
