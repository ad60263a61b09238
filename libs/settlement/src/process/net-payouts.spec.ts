import { sats } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import {
  approved,
  balance,
  CLEARING_B,
  funded,
  given,
  mined,
  settlementOf,
  submitted,
  WALLET_B,
} from '../spec/given.fixture.ts';
import { chooseWindowPayout, closeWindow, openWindow } from '../spec/netting-actions.fixture.ts';
import type { World } from '../spec/world.fixture.ts';
import type { Position } from '../window.ts';
import { netPayoutId, payoutSats } from './net-payouts.ts';

const paid = (amountSats: bigint, from = 'a', to = 'b') => [submitted('centralized', amountSats, from, to), approved];
const windowId = (world: World): string => world.book.windows.ids()[0]!;
const closed = (world: World): string | undefined =>
  closeWindow(world, world.book.netting.get().multilateral!.windowId);
const netCredit = (world: World): string | undefined => chooseWindowPayout(world, 'b', { kind: 'net_credit' });
const aboveFloor = (world: World): string | undefined =>
  chooseWindowPayout(world, 'b', { kind: 'above_floor', floorSats: sats(5_000n) });
const payoutOf = (world: World, institutionId = 'b'): string => {
  const window = world.book.windows.all().find((each) => 'payouts' in each && each.payouts.length > 0)!;
  return netPayoutId(window.status === 'none' ? '' : window.windowId, institutionId);
};
const screened = (world: World): void => {
  for (const by of ['risk', 'aml'] as const) world.screen('settlement', payoutOf(world), by, 'approve');
};
const assigned = (world: World): void => {
  const lineage = world.book.lineages.get(payoutOf(world));
  if (lineage.status === 'planned') world.assign(lineage.plan, false);
};
const broadcast = (world: World): void => {
  world.sign(payoutOf(world));
  world.broadcast(payoutOf(world));
};
const statusOf = (world: World): string =>
  world.book.windows.all().find((each) => 'payouts' in each && each.payouts.length > 0)!.status;

const FUNDED = [funded('a', 'clearing', 50_000n), funded('b', 'clearing', 9_000n), openWindow];
const CLOSED = [...FUNDED, netCredit, ...paid(30_000n), ...paid(10_000n, 'b', 'a'), closed];
const PAYING = [...CLOSED, screened, assigned, broadcast];

describe('a net payout', () => {
  it('takes what a participant was paid more than it paid from its clearing balance to its wallet, at its own expense', () => {
    const { world } = given(...PAYING).when(mined(3));
    const settlement = settlementOf(world, payoutOf(world));
    expect(settlement).toMatchObject({
      status: 'settled',
      terms: { from: 'b', to: 'b', amountSats: 20_000n, mode: 'bilateral', netPayout: { poolWalletId: 'pool' } },
    });
    const feeSats = 'payout' in settlement ? settlement.payout!.feeSats : 0n;
    expect(feeSats).toBeGreaterThan(0n);
    expect(balance(world, CLEARING_B)).toEqual({ available: 9_000n });
    expect(balance(world, WALLET_B)).toEqual({ available: 20_000n - feeSats });
    expect(statusOf(world)).toBe('settled');
  });

  it('keeps its window settling until it has ended, however it ends', () => {
    expect(statusOf(given(...CLOSED).when(screened).world)).toBe('settling');
    expect(statusOf(given(...PAYING).when().world)).toBe('settling');
    const rejected = (world: World): void => world.screen('settlement', payoutOf(world), 'aml', 'reject');
    const { world } = given(...CLOSED).when(rejected, (one: World) =>
      one.screen('settlement', payoutOf(one), 'risk', 'approve'),
    );
    expect(settlementOf(world, payoutOf(world)).status).toBe('rejected');
    expect(statusOf(world)).toBe('settled');
    expect(balance(world, CLEARING_B)).toEqual({ available: 29_000n });
  });

  it('is open again when a reorg takes it back, and never paid twice', () => {
    const reorg = (world: World): void => world.reorg(4, () => false);
    const { world } = given(...PAYING, mined(3)).when(reorg);
    expect(settlementOf(world, payoutOf(world)).status).toBe('reopened');
    expect(statusOf(world)).toBe('settling');
    const again = given(...PAYING, mined(3), reorg, (one: World) => one.broadcast(payoutOf(one))).when(mined(3));
    expect(settlementOf(again.world, payoutOf(again.world)).status).toBe('settled');
    expect(statusOf(again.world)).toBe('settled');
  });

  it('is everything above a floor, where that was chosen', () => {
    const { world } = given(...FUNDED, aboveFloor, ...paid(30_000n)).when(closed);
    expect(settlementOf(world, payoutOf(world)).terms.amountSats).toBe(34_000n);
  });

  it('is of nobody who hasn’t chosen it, who owes, or whom the fee would eat up', () => {
    const unpaid = (...steps: readonly ((world: World) => unknown)[]): void => {
      const { world } = given(...FUNDED).when(...steps);
      expect(world.book.windows.get(windowId(world))).toMatchObject({ status: 'settled', payouts: [] });
    };
    unpaid(...paid(30_000n), closed);
    unpaid(netCredit, (world) => chooseWindowPayout(world, 'b'), ...paid(30_000n), closed);
    unpaid(netCredit, ...paid(5_000n), closed);
    unpaid((world) => chooseWindowPayout(world, 'a', { kind: 'net_credit' }), ...paid(30_000n), closed);
    unpaid(netCredit, ...paid(30_000n), (world) => {
      world.tell({ type: 'freeze_institution', institutionId: 'b', reason: 'because' });
      closed(world);
    });
  });

  it('waits for money of its own: nobody lends it', () => {
    // b, whose credit line is 30,000 sat, spends what is to be paid out.
    const { world } = given(...CLOSED).when(...paid(25_000n, 'b', 'a'), screened);
    expect(settlementOf(world, payoutOf(world))).toMatchObject({
      status: 'queued',
      waitsFor: 'INSUFFICIENT_LIQUIDITY',
    });
  });

  it('is chosen by who has a wallet for it', () => {
    given(...FUNDED)
      .when((world: World) => chooseWindowPayout(world, 'd', { kind: 'net_credit' }))
      .refused('UNKNOWN_WALLET');
    given(...FUNDED)
      .when((world: World) => chooseWindowPayout(world, 'nobody', { kind: 'net_credit' }))
      .refused('UNKNOWN_INSTITUTION');
  });

  it('has an id of its own, the same however often it is asked for', () => {
    const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
    const ids = ['w1', 'w2'].flatMap((window) => ['a', 'b'].map((institution) => netPayoutId(window, institution)));
    expect(new Set(ids).size).toBe(4);
    for (const id of ids) expect(id).toMatch(uuid);
    expect(netPayoutId('w1', 'a')).toBe(ids[0]);
  });

  it('is never more than there is', () => {
    const position = (paid: bigint, received: bigint): Position => ({
      institutionId: 'b',
      unit: BTC,
      paid,
      received,
      paidCount: 1,
      receivedCount: 1,
    });
    expect(payoutSats({ kind: 'net_credit' }, position(10n, 30n), 100n)).toBe(20n);
    expect(payoutSats({ kind: 'net_credit' }, position(10n, 30n), 15n)).toBe(15n);
    expect(payoutSats({ kind: 'net_credit' }, position(30n, 10n), 100n)).toBe(-20n);
    expect(payoutSats({ kind: 'above_floor', floorSats: sats(40n) }, position(30n, 10n), 100n)).toBe(60n);
  });
});
