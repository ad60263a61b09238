import { type Instant, sats } from '@finality/kernel';
import { BTC, creditBalance, networkFeesAccount } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import type { DestinationRecord } from '../destination.ts';
import { childIdOf, offered, type OfferedVersion, planOf } from '../lineage.ts';
import {
  approved,
  balance,
  CLEARING_B,
  empty,
  funded,
  given,
  givenUnder,
  mined,
  settlementOf,
  submitted,
  WALLET_B,
} from '../spec/given.fixture.ts';
import { chooseWindowPayout, closeWindow, openWindow } from '../spec/netting-actions.fixture.ts';
import { POLICY } from '../spec/memory-book.fixture.ts';
import { LISTED_WALLET } from '../spec/parties.fixture.ts';
import type { World } from '../spec/world.fixture.ts';
import type { Position } from '../window.ts';
import { netPayoutId, payoutSats } from './net-payouts.ts';

const paid = (amountSats: bigint, from = 'a', to = 'b') => [submitted('centralized', amountSats, from, to), approved];
const windowId = (world: World): string => world.book.windows.ids()[0]!;
const closed = (world: World): string | undefined =>
  closeWindow(world, world.book.netting.get().multilateral!.windowId);
const NET = { kind: 'net_credit' } as const;
const netCredit = (world: World): string | undefined => chooseWindowPayout(world, 'b', NET);
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

const OUTSIDE = { kind: 'destination', destinationId: 'd-b' } as const;
const changed = (over: Partial<DestinationRecord>) => (world: World) =>
  world.tell({ type: 'destination_changed', destination: { ...world.book.destination('d-b')!, ...over } });

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
      .when((world: World) => chooseWindowPayout(world, 'b', NET, { kind: 'wallet', walletId: 'w-c' }))
      .refused('UNKNOWN_WALLET');
    given(...FUNDED)
      .when((world: World) => chooseWindowPayout(world, 'd', NET))
      .refused('PAYEE_NOT_PAYABLE');
    given(...FUNDED)
      .when((world: World) => chooseWindowPayout(world, 'nobody', NET))
      .refused('UNKNOWN_INSTITUTION');
  });

  it('that is stuck in a transaction that can’t be replaced is paid for by its change, at the platform’s expense', () => {
    const impatient = { ...POLICY, bump: { ...POLICY.bump, afterBlocks: 3 } };
    const planned = (id: string, world: World): void => {
      const lineage = world.book.lineages.get(id);
      world.assign(planOf(lineage)!, false);
      world.sign(id);
      world.broadcast(id);
    };
    const dearer = (world: World): void => {
      const { versions } = offered(world.book.lineages.get(payoutOf(world)));
      world.chain.pin(versions[0]!.txid);
      world.bump(payoutOf(world), 4_000n);
      planned(payoutOf(world), world);
    };
    const child = (world: World): void => planned(childIdOf(payoutOf(world), 1), world);
    const { world } = givenUnder(impatient, ...PAYING, dearer).when(empty(3), child, mined(6));
    const lineage = world.book.lineages.get(childIdOf(payoutOf(world), 1));
    expect(lineage.status).toBe('final');
    const [{ feeSats }] = offered(lineage).versions as [OfferedVersion];
    const settled = settlementOf(world, payoutOf(world));
    expect(settled.status).toBe('settled');
    const own = 'payout' in settled ? settled.payout!.feeSats : 0n;
    expect(balance(world, WALLET_B)).toEqual({ available: 20_000n - own });
    expect(balance(world, CLEARING_B)).toEqual({ available: 9_000n });
    expect(-creditBalance(world.book.ledger.account(networkFeesAccount()))).toBe(feeSats);
  });

  describe('at a destination', () => {
    const outside = (world: World): string | undefined => chooseWindowPayout(world, 'b', NET, OUTSIDE);
    const CLOSED_OUTSIDE = [...FUNDED, outside, ...paid(30_000n), closed];
    const stays = (world: World, status: string): void => {
      expect(settlementOf(world, payoutOf(world)).status).toBe(status);
      expect(balance(world, CLEARING_B)).toEqual({ available: 39_000n });
      expect(statusOf(world)).toBe('settled');
    };

    it('leaves the platform, at its payee’s expense', () => {
      const { world } = given(...CLOSED_OUTSIDE, screened, assigned, broadcast).when(mined(3));
      expect(settlementOf(world, payoutOf(world))).toMatchObject({
        status: 'settled',
        terms: { amountSats: 30_000n, payee: { kind: 'destination', destinationId: 'd-b' } },
      });
      expect(balance(world, CLEARING_B)).toEqual({ available: 9_000n });
      expect(balance(world, WALLET_B)).toEqual({});
      expect(statusOf(world)).toBe('settled');
    });

    it('that screening blocks leaves the balance where it is', () => {
      const rejected = (world: World): void => {
        world.screen('settlement', payoutOf(world), 'aml', 'approve');
        world.screen('settlement', payoutOf(world), 'risk', 'reject');
      };
      stays(given(...CLOSED_OUTSIDE).when(rejected).world, 'rejected');
    });

    it('that the signer has no more by then fails it', () => {
      const refused = (world: World): void => world.refuseDestination(payoutOf(world), payoutOf(world));
      stays(given(...CLOSED_OUTSIDE, screened).when(refused).world, 'failed');
    });

    it('is one that may be paid when it is chosen', () => {
      const choosing = (over: Partial<DestinationRecord>, reason: string): World =>
        given(...FUNDED, changed(over))
          .when(outside)
          .refused(reason);
      choosing({ status: 'pending' }, 'DESTINATION_PENDING');
      choosing({ status: 'removed' }, 'DESTINATION_REMOVED');
      choosing({ usableAt: 1_800_000_000_000 as Instant }, 'DESTINATION_COOLING');
      choosing({ institutionId: 'c' }, 'DESTINATION_OF_OTHER_INSTITUTION');
      given(...FUNDED)
        .when((world: World) => chooseWindowPayout(world, 'b', NET, { kind: 'destination', destinationId: 'd-x' }))
        .refused('UNKNOWN_DESTINATION');
    });

    it('is a wallet with keys of its own just as well, by the wallet’s name or the list’s', () => {
      for (const place of [undefined, { kind: 'destination', destinationId: LISTED_WALLET.destinationId } as const]) {
        const choosing = (world: World): string | undefined => chooseWindowPayout(world, 'd2', NET, place);
        const all = (world: World): void => {
          const id = payoutOf(world, 'd2');
          for (const by of ['risk', 'aml'] as const) world.screen('settlement', id, by, 'approve');
          const lineage = world.book.lineages.get(id);
          if (lineage.status === 'planned') world.assign(lineage.plan, false);
          world.sign(id);
          world.broadcast(id);
        };
        const { world } = given(...FUNDED, choosing, ...paid(30_000n, 'a', 'd2'), closed, all).when(mined(3));
        const settled = settlementOf(world, payoutOf(world, 'd2'));
        expect(settled).toMatchObject({
          status: 'settled',
          terms: { payee: { kind: 'wallet', walletId: 'w-d2', destinationId: LISTED_WALLET.destinationId } },
        });
        const feeSats = 'payout' in settled ? settled.payout!.feeSats : 0n;
        expect(balance(world, { kind: 'wallet', walletId: 'w-d2' })).toEqual({ available: 30_000n - feeSats });
      }
    });

    it('of an amount that its owner’s persons have to approve waits for them', () => {
      const tiers = [{ aboveSats: sats(20_000n), approvals: 1, areSigned: true }];
      const ruled = (world: World): string | undefined =>
        world.tell({
          type: 'set_approval_policy',
          request: { institutionId: 'b', tiers, isOwn: false, reason: 'because', by: 'o' },
        });
      const { world } = given(...FUNDED, ruled, outside, ...paid(30_000n), closed).when(screened);
      expect(settlementOf(world, payoutOf(world))).toMatchObject({
        status: 'under_review',
        compliance: 'unneeded',
        approvals: { required: 1, areSigned: true },
      });
      expect(balance(world, CLEARING_B)).toEqual({ available: 39_000n });
      world.tell({
        type: 'review',
        review: {
          settlementId: payoutOf(world),
          decision: 'approve',
          reason: 'so',
          reviewer: 'k-2',
          institutionId: 'b',
          signed: { signatory: 's', nonce: 'n', validUntil: 0 as Instant, signature: '' },
        },
      });
      expect(settlementOf(world, payoutOf(world)).status).toBe('reserved');
    });
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
