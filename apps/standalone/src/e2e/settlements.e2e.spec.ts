import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { RegtestWallet } from '@finality/chain-simulator';
import { settlementV1 } from '@finality/contracts';
import { parseAddress } from '@finality/bitcoin';
import { unwrap } from '@finality/kernel';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { statusName } from '../names.ts';
import { describeOnNodes, type Member, TestPlatform, totalClaims } from './platform.fixture.ts';

const { ReviewDecision } = settlementV1;
const FEE_SATS_MAX = 20_000n;

await describeOnNodes('settlements', (kind) => {
  let platform: TestPlatform;
  let lists: string;
  let alice: Member;
  let bob: Member;
  let carol: Member;
  /** Somebody outside whom a list will name. */
  const shady = new RegtestWallet('shady');

  beforeAll(async () => {
    lists = mkdtempSync(path.join(tmpdir(), 'finality-lists-'));
    writeList();
    platform = await TestPlatform.start({
      node: kind,
      environment: { RISK_LABEL_FILES: `test:labels:${path.join(lists, 'labels.csv')}` },
    });
    alice = await platform.institution('alice-bank');
    bob = await platform.institution('bob-bank', { wallet: 'tr' });
    carol = await platform.institution('carol-bank');
  });

  afterAll(async () => {
    await platform?.stop();
    rmSync(lists, { recursive: true, force: true });
  });

  function writeList(...addresses: readonly string[]): void {
    const rows = addresses.flatMap((address) => [
      `${address},mixer,Shady,test,\n`,
      `${address},blacklist,Shady,test,\n`,
    ]);
    writeFileSync(path.join(lists, 'labels.csv'), `address,category,label,source,listed_on\n${rows.join('')}`);
  }

  const statesOf = (settlement: settlementV1.Settlement): string[] =>
    settlement.transitions.map(({ status }) => statusName(status));

  it('deposits are seen, then credited once they are final', async () => {
    await alice.payIn('clearing', 50_000_000n);
    await alice.payIn('wallet', 40_000_000n);
    await platform.eventually(async () => {
      expect(await alice.balance('clearing')).toMatchObject({ incoming: 50_000_000n, available: 0n });
      expect(await alice.balance('wallet')).toMatchObject({ incoming: 40_000_000n, available: 0n });
    });
    await platform.mine(2);
    expect(await alice.balance('clearing')).toMatchObject({ incoming: 50_000_000n, available: 0n });
    await platform.mine(1);
    await platform.eventually(async () => {
      expect(await alice.balance('clearing')).toMatchObject({ incoming: 0n, available: 50_000_000n });
      expect(await alice.balance('wallet')).toMatchObject({ incoming: 0n, available: 40_000_000n });
    });
    const { entries } = await alice.clients.ledger.listEntries({
      institutionId: alice.id,
      claim: 'clearing',
      pageSize: 10,
      pageToken: '',
    });
    expect(new Set(entries.map(({ amountSats }) => amountSats))).toEqual(new Set([50_000_000n]));
    expect(entries.map(({ creditAccount }) => creditAccount)).toContain('clearing/alice-bank/available');
  });

  it('CENTRALIZED settles on clearing balances, at once and without a transaction', async () => {
    const { settlementId } = await alice.submit(bob, 'centralized', 20_000_000n);
    const settlement = await platform.reaches(alice, settlementId, 'settled');
    expect(statesOf(settlement)).toEqual(['received', 'screening', 'approved', 'reserved', 'settled']);
    expect(settlement).toMatchObject({ feeSats: 0n, confirmations: 0, confirmationsRequired: 0 });
    expect(settlement.txid).toBeUndefined();
    expect(await alice.balance('clearing')).toMatchObject({ available: 30_000_000n, reserved: 0n });
    expect(await bob.balance('clearing')).toMatchObject({ available: 20_000_000n });
    expect(await bob.clients.settlements.getSettlement({ settlementId })).toEqual(settlement);
  });

  it("a CENTRALIZED payee can't spend on the chain what its wallet doesn't hold", async () => {
    const { settlementId } = await bob.submit(carol, 'bilateral', 5_000_000n);
    const queued = await platform.reaches(bob, settlementId, 'queued');
    expect(queued.reason).toBeTruthy();
    expect(await bob.balance('wallet')).toMatchObject({ available: 0n, reserved: 0n });
    expect(await bob.balance('clearing')).toMatchObject({ available: 20_000_000n, reserved: 0n });
    const cancelled = await bob.clients.settlements.cancelSettlement({
      idempotencyKey: 'cancel',
      settlementId,
      reason: 'no coins',
    });
    expect(statusName(cancelled.status)).toBe('cancelled');
  });

  it('BILATERAL pays a fresh address of the payee; all in all only the fee is gone', async () => {
    const before = await totalClaims(alice, bob, carol);
    const wallet = await alice.balance('wallet');
    const { settlementId } = await alice.submit(bob, 'bilateral', 15_000_000n);
    const txid = await platform.broadcast(alice, settlementId);
    const reserved = await alice.balance('wallet');
    expect(reserved.available + reserved.reserved + reserved.inFlight).toBe(wallet.available);
    await platform.mine(1);
    await platform.reaches(alice, settlementId, 'confirming');
    await platform.eventually(async () => {
      expect(await bob.balance('wallet')).toMatchObject({ incoming: 15_000_000n, available: 0n });
    });
    await platform.mine(2);
    const settlement = await platform.reaches(alice, settlementId, 'settled');
    expect(settlement).toMatchObject({ txid, confirmationsRequired: 3 });
    expect(settlement.confirmations).toBeGreaterThanOrEqual(3);
    expect(settlement.feeSats).toBeGreaterThan(0n);
    expect(settlement.feeSats).toBeLessThanOrEqual(FEE_SATS_MAX);
    await platform.mine(4);
    expect(await bob.balance('wallet')).toMatchObject({ incoming: 0n, available: 15_000_000n });
    expect(await alice.balance('wallet')).toMatchObject({
      available: wallet.available - 15_000_000n - settlement.feeSats,
      reserved: 0n,
      inFlight: 0n,
      incoming: 0n,
    });
    expect(await totalClaims(alice, bob, carol)).toBe(before - settlement.feeSats);
  });

  it('BLOCKCHAIN has a transaction of its own and the highest finality', async () => {
    const { settlementId } = await bob.submit(carol, 'blockchain', 10_000_000n);
    const txid = await platform.broadcast(bob, settlementId);
    await platform.mine(5);
    const confirming = await platform.reaches(bob, settlementId, 'confirming');
    expect(confirming).toMatchObject({ confirmations: 5, confirmationsRequired: 6, txid });
    await platform.mine(1);
    const settled = await platform.reaches(bob, settlementId, 'settled');
    expect(statesOf(settled)).toEqual([
      'received',
      'screening',
      'approved',
      'reserved',
      'executing',
      'confirming',
      'settled',
    ]);
    await platform.eventually(async () =>
      expect(await carol.balance('wallet')).toMatchObject({ available: 10_000_000n, incoming: 0n }),
    );
  });

  it('a payee can pass on what it was paid', async () => {
    const { settlementId } = await carol.submit(alice, 'bilateral', 9_000_000n);
    await platform.broadcast(carol, settlementId);
    await platform.mine(3);
    await platform.reaches(carol, settlementId, 'settled');
  });

  it('what lacks liquidity waits, and goes on when a deposit comes', async () => {
    const { settlementId } = await carol.submit(bob, 'centralized', 7_000_000n);
    await platform.reaches(carol, settlementId, 'queued');
    await carol.payIn('clearing', 8_000_000n);
    await platform.mine(3);
    await platform.reaches(carol, settlementId, 'settled');
    expect(await carol.balance('clearing')).toMatchObject({ available: 1_000_000n, reserved: 0n });
  });

  it('a large amount goes to a compliance officer, who approves it', async () => {
    await alice.deposit('clearing', 90_000_000n);
    await alice.deposit('clearing', 90_000_000n);
    const { settlementId } = await alice.submit(bob, 'centralized', 100_000_000n);
    await platform.reaches(alice, settlementId, 'under_review');
    const review = {
      idempotencyKey: 'approve',
      settlementId,
      decision: ReviewDecision.REVIEW_DECISION_APPROVE,
      reason: 'known counterparty',
    };
    await expect(alice.clients.settlements.reviewSettlement(review)).rejects.toMatchObject({ code: 7 });
    await platform.compliance.settlements.reviewSettlement(review);
    const settled = await platform.reaches(alice, settlementId, 'settled');
    expect(statesOf(settled)).toEqual(['received', 'screening', 'under_review', 'approved', 'reserved', 'settled']);
  });

  it('… or rejects it, and nothing moves', async () => {
    const before = await alice.balances();
    const { settlementId } = await alice.submit(bob, 'centralized', 100_000_001n);
    await platform.reaches(alice, settlementId, 'under_review');
    await platform.compliance.settlements.reviewSettlement({
      idempotencyKey: 'reject',
      settlementId,
      decision: ReviewDecision.REVIEW_DECISION_REJECT,
      reason: 'source of funds not shown',
    });
    await platform.reaches(alice, settlementId, 'rejected');
    expect(await alice.balances()).toEqual(before);
  });

  it('coins from an address that was blacklisted meanwhile: risk rejects the settlement', async () => {
    const dave = await platform.institution('dave-bank');
    // The shady wallet gets coins, then pays dave in.
    await platform.send(await platform.payment(shady.address, 60_000_000n));
    await platform.mine(1);
    await shady.sync(platform.node);
    const script = unwrap(parseAddress(await dave.newAddress('wallet'), 'regtest'));
    await platform.send(shady.pay([{ script, valueSats: 50_000_000n }], { feeSats: 1_000n }));
    await platform.mine(3);
    await platform.eventually(async () => expect((await dave.balance('wallet')).available).toBe(50_000_000n));
    writeList(shady.address);
    const risk = platform.running.services.get('risk')!;
    const loader = risk.workers.find(({ name }) => name.includes('label'));
    await loader!.step();
    const { settlementId } = await dave.submit(alice, 'bilateral', 10_000_000n);
    const rejected = await platform.reaches(dave, settlementId, 'rejected');
    expect(rejected.txid).toBeUndefined();
    expect((await dave.balance('wallet')).available).toBe(50_000_000n);
  });

  it('the payer cancels what waits; the payee and others can’t', async () => {
    const { settlementId } = await carol.submit(bob, 'centralized', 99_000_000n);
    await platform.reaches(carol, settlementId, 'queued');
    const cancel = { idempotencyKey: 'cancel waiting', settlementId, reason: 'changed our mind' };
    await expect(bob.clients.settlements.cancelSettlement(cancel)).rejects.toMatchObject({ code: 7 });
    await expect(alice.clients.settlements.cancelSettlement(cancel)).rejects.toMatchObject({ code: 5 });
    expect(statusName((await carol.clients.settlements.cancelSettlement(cancel)).status)).toBe('cancelled');
    expect(statusName((await carol.clients.settlements.cancelSettlement(cancel)).status)).toBe('cancelled');
  });

  it('what is on the chain can’t be cancelled any more', async () => {
    const { settlementId } = await alice.submit(carol, 'bilateral', 1_000_000n);
    await platform.broadcast(alice, settlementId);
    const cancel = { idempotencyKey: 'cancel late', settlementId, reason: 'too late' };
    await expect(alice.clients.settlements.cancelSettlement(cancel)).rejects.toMatchObject({ code: 9 });
    await platform.mine(3);
    await platform.reaches(alice, settlementId, 'settled');
  });

  it('in the end ledger, chain and counterparties agree', async () => {
    await platform.mine(6);
    const report = await platform.reconcile();
    expect(report.breaks).toEqual([]);
    expect(report.checked).toBeGreaterThan(20n);
    expect(report.matched).toBe(report.checked);
  });
});
