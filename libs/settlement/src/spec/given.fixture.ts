import type { FeeTerms, OutpointKey } from '@finality/bitcoin';
import { assert } from '@finality/kernel';
import type { Claim, ClaimBalance } from '@finality/ledger';
import { expect } from 'vitest';
import type { KnownDeposit } from '../deposit.ts';
import type { Lineage } from '../lineage.ts';
import type { SettlementPolicy } from '../policy.ts';
import type { LivingSettlement, Mode, Recommendation } from '../settlement.ts';
import type { Command } from './commands.fixture.ts';
import { checkWorld } from './invariants.fixture.ts';
import { POLICY } from './memory-book.fixture.ts';
import { World } from './world.fixture.ts';
import type { WorldTx } from './world-chain.fixture.ts';

type Step = (world: World) => unknown;

/** Who an event happens to, by a short name, and its type: `s-1 settlement_approved`. */
type Happened = string;

/** A history, what is done then, and what comes of it. After all of it the books must be straight. */
export const given = (...history: readonly Step[]) => givenUnder(POLICY, ...history);

export function givenUnder(policy: SettlementPolicy, ...history: readonly Step[]) {
  return {
    when(...steps: readonly (Step | Command)[]) {
      const world = new World(policy);
      for (const step of history) step(world);
      const before = world.book.log.length;
      let refused: unknown;
      for (const step of steps) refused = typeof step === 'function' ? step(world) : world.tell(step);
      checkWorld(world);
      const events = world.book.log.slice(before).map(({ stream, event }) => `${nameOf(stream)} ${event.type}`);
      return {
        world,
        then(...expected: readonly Happened[]): World {
          expect(events).toEqual(expected);
          return world;
        },
        refused(reason: string): World {
          expect(refused).toBe(reason);
          expect(events).toEqual([]);
          return world;
        },
      };
    },
  };
}

const nameOf = (stream: string): string =>
  stream === 'chain_tip/chain' ? 'tip' : stream.startsWith('deposit/') ? 'deposit' : stream.replace('settlement/', '');

/** Money from outside, in a block and deep enough, screened: on its owner's balance. */
export const funded =
  (institutionId: string, kind: 'clearing' | 'wallet', valueSats: bigint): Step =>
  (world) => {
    const outpoint = arrive(world, institutionId, kind, valueSats);
    screened(world, outpoint);
    mined(3)(world);
  };

/** In the mempool, and seen there. */
export function arrive(
  world: World,
  institutionId: string,
  kind: 'clearing' | 'wallet',
  valueSats: bigint,
): OutpointKey {
  const place = world.place(kind === 'clearing' ? 'pool' : `w-${institutionId}`, institutionId, kind);
  world.announce(place, false);
  const tx = world.pay([world.chain.root()], [{ script: place.script, valueSats }]);
  world.chain.accept(tx);
  world.poll(false);
  return `${tx.txid}:0` as OutpointKey;
}

export function screened(world: World, outpoint: string, recommendation: Recommendation = 'approve'): void {
  for (const by of ['risk', 'aml'] as const) world.screen('deposit', outpoint, by, recommendation);
}

export const mined =
  (count: number): Step =>
  (world) => {
    for (let i = 0; i < count; i++) world.mine(() => true);
  };

/** Blocks that leave everything out. */
export const empty =
  (count: number): Step =>
  (world) => {
    for (let i = 0; i < count; i++) world.mine(() => false);
  };

/** Blocks from the tip are gone; what was in them waits again. */
export const reorged =
  (depth: number): Step =>
  (world) =>
    world.reorg(depth, () => true);

/** A block in which what this transaction spends is spent otherwise. */
export const doubleSpent =
  (txOf: (world: World) => WorldTx, seenBefore = false): Step =>
  (world) => {
    const root = txOf(world).spends.find((outpoint) => world.chain.isRoot(outpoint));
    assert(root !== undefined, 'only what an outsider has made is spent otherwise');
    const rival = world.pay([root], [{ script: world.elsewhere(), valueSats: 1_000n }]);
    if (seenBefore) world.chain.accept(rival);
    world.mine(() => false, [rival]);
  };

export const submitted =
  (mode: Mode, amountSats: bigint, from = 'a', to = 'b', feeBearer: FeeTerms['bearer'] = 'payer'): Step =>
  (world) =>
    world.submit(mode, from, to, amountSats, feeBearer);

export const assessed =
  (risk: Recommendation, aml: Recommendation): Step =>
  (world) => {
    world.screen('settlement', lastOf(world), 'risk', risk);
    world.screen('settlement', lastOf(world), 'aml', aml);
  };

export const approved = assessed('approve', 'approve');

/** Addresses, the transaction, and its signature. */
export const signed: Step = (world) => {
  assigned(world);
  world.sign(lastOf(world));
};
export const assigned: Step = (world) => {
  const lineage = world.book.lineages.get(lastOf(world));
  assert(lineage.status === 'planned', 'there is a plan');
  world.assign(lineage.plan, false);
};
export const broadcast: Step = (world) => world.broadcast(lastOf(world));

/** Reserved, built, signed, in the mempool. */
export const paying: readonly Step[] = [approved, signed, broadcast];

/** The settlement submitted last. */
export function lastOf(world: World): string {
  const id = world.book.settlements
    .ids()
    .sort((a, b) => Number(a.slice(2)) - Number(b.slice(2)))
    .at(-1);
  assert(id !== undefined, 'something was submitted');
  return id;
}

export function settlementOf(world: World, settlementId = lastOf(world)): LivingSettlement {
  const settlement = world.book.settlements.get(settlementId);
  assert(settlement.status !== 'none', `${settlementId} exists`);
  return settlement;
}

export const lineageOf = (world: World, settlementId = lastOf(world)): Lineage => world.book.lineages.get(settlementId);

/** The only deposit, or the one at that place in the order in which they came. */
export function depositOf(world: World, place = 0): KnownDeposit {
  const seen = new Set(world.book.log.map(({ stream }) => stream).filter((stream) => stream.startsWith('deposit/')));
  const deposit = world.book.deposits.get([...seen][place]!.slice('deposit/'.length));
  assert(deposit.status !== 'none', 'the deposit is known');
  return deposit;
}

export const depositTx = (world: World, place = 0): WorldTx =>
  world.chain.known.get(depositOf(world, place).terms.txid)!;

export const CLEARING_A: Claim = { kind: 'clearing', institutionId: 'a' };
export const CLEARING_B: Claim = { kind: 'clearing', institutionId: 'b' };
export const WALLET_A: Claim = { kind: 'wallet', walletId: 'w-a' };
export const WALLET_B: Claim = { kind: 'wallet', walletId: 'w-b' };

/** Parts of a claim that aren't 0. */
export function balance(world: World, claim: Claim): Partial<ClaimBalance> {
  const parts = Object.entries(world.book.ledger.balanceOf(claim)) as [keyof ClaimBalance, bigint][];
  return Object.fromEntries(parts.filter(([, amount]) => amount !== 0n));
}
