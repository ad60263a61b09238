import { institutionV1, settlementV1 } from '@finality/contracts';
import { expect, it } from 'vitest';
import { refused } from '../api.fixture.ts';
import { type Bank, lifeOf, NOTHING, type Settlement } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import { steal } from '../thief.fixture.ts';
import { until } from '../wait.fixture.ts';

export const DEPOSIT_SATS = 40_000_000n;
export const AMOUNT_SATS = 25_000_000n;
const UNTIL_EXECUTING = ['RECEIVED', 'SCREENING', 'APPROVED', 'RESERVED', 'EXECUTING'];
const { INSTITUTION_STATUS_ACTIVE, INSTITUTION_STATUS_FROZEN } = institutionV1.InstitutionStatus;

/** A BILATERAL settlement of 3 confirmations, as deep as wanted, after a deposit that a reorg of its blocks leaves where it is. */
export async function underWay(e2e: E2e, confirmations: number) {
  const { outside } = e2e;
  const [payer, payee] = [await e2e.bank(), await e2e.bank({ wallet: 'tr' })];
  const [outpoint = ''] = await payer.fund({ wallet: [DEPOSIT_SATS] });
  const { settlementId } = await payer.submit({ to: payee, amountSats: AMOUNT_SATS, mode: 'BILATERAL' });
  const { txid, feeSats } = await payer.executing(settlementId);
  await outside.mine(confirmations);
  await payer.settlement(settlementId, confirmations < 3 ? 'CONFIRMING' : 'SETTLED', confirmations);
  return { outside, payer, payee, outpoint, settlementId, txid, feeSats };
}

/** A settlement in a reorg: what holds whatever the services run on. */
export function settlementInReorg(e2e: () => E2e): void {
  async function expectPaid(settlement: Settlement, { payer, payee }: { payer: Bank; payee: Bank }) {
    const { feeSats } = settlement;
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available: DEPOSIT_SATS - AMOUNT_SATS - feeSats });
    expect(await payee.balance('wallet')).toEqual({ ...NOTHING, available: AMOUNT_SATS });
    expect([await payer.institution(), await payee.institution()]).toMatchObject([
      { status: INSTITUTION_STATUS_ACTIVE },
      { status: INSTITUTION_STATUS_ACTIVE },
    ]);
    await expectInOrder(e2e());
  }

  it('of 1 block while confirming executes again, confirms again, settles', async () => {
    const { outside, payer, payee, settlementId, txid, feeSats } = await underWay(e2e(), 1);
    await outside.takeBlocksBack(1);
    expect(await payer.settlement(settlementId, 'EXECUTING', 0)).toMatchObject({ txid, feeSats });
    expect(await payee.balance('wallet')).toEqual(NOTHING);
    await outside.mine(2);
    await payer.settlement(settlementId, 'CONFIRMING', 2);
    await outside.mine(1);
    const settled = await payer.settlement(settlementId, 'SETTLED', 3);
    expect(settled).toMatchObject({ txid, feeSats });
    expect(lifeOf(settled)).toEqual([...UNTIL_EXECUTING, 'CONFIRMING', 'EXECUTING', 'CONFIRMING', 'SETTLED']);
    await expectPaid(settled, { payer, payee });
  });

  it('of 1 block above it stays settled', async () => {
    const { outside, payer, payee, settlementId } = await underWay(e2e(), 3);
    await outside.takeBlocksBack(1);
    await payer.settlement(settlementId, 'SETTLED', 2);
    await outside.mine(2);
    const settled = await payer.settlement(settlementId, 'SETTLED', 4);
    expect(lifeOf(settled)).toEqual([...UNTIL_EXECUTING, 'CONFIRMING', 'SETTLED']);
    await expectPaid(settled, { payer, payee });
  });

  it('of 3 blocks past its target is reopened, then settled again', async () => {
    const { outside, payer, payee, settlementId, txid, feeSats } = await underWay(e2e(), 3);
    await outside.takeBlocksBack(3);
    const reopened = await payer.settlement(settlementId, 'REOPENED', 0);
    expect(reopened.reason).toMatch(/^block [0-9a-f]{64} at height \d+ was disconnected$/);
    // The amount is nobody's until it is clear whose.
    expect(await payee.balance('wallet')).toEqual(NOTHING);
    expect(await payer.balance('wallet')).toEqual({
      ...NOTHING,
      available: DEPOSIT_SATS - AMOUNT_SATS - feeSats,
      inFlight: feeSats,
    });
    await outside.inMempool(txid);
    await outside.mine(4);
    const settled = await payer.settlement(settlementId, 'SETTLED', 4);
    expect(lifeOf(settled)).toEqual([...UNTIL_EXECUTING, 'CONFIRMING', 'SETTLED', 'REOPENED', 'SETTLED']);
    expect(settled.txid).toBe(txid);
    await expectPaid(settled, { payer, payee });
  });

  it('of 1 block, with its coin spent by somebody else, fails once that is final', async () => {
    const { outside, payer, payee, outpoint, settlementId } = await underWay(e2e(), 1);
    await outside.takeBlocksBack(1);
    await payer.settlement(settlementId, 'EXECUTING');
    const { txid: byTxid } = await steal(e2e(), payer, outpoint);
    await lookedAt(e2e());
    await outside.mine(5);
    await expectInOrder(e2e());
    await payer.settlement(settlementId, 'EXECUTING');
    await outside.mine(1);
    const failed = await payer.settlement(settlementId, 'FAILED');
    expect(failed.reason).toBe(`excluded by ${byTxid}, which is final`);
    expect(lifeOf(failed)).toEqual([...UNTIL_EXECUTING, 'CONFIRMING', 'EXECUTING', 'FAILED']);
    expect(await payer.total()).toBe(DEPOSIT_SATS);
    expect(await payee.balance('wallet')).toEqual(NOTHING);
    await expectInOrder(e2e());
  });

  it('of 3 blocks, with its coin spent by somebody else, is reversed and both sides are frozen', async () => {
    const { outside, payer, payee, outpoint, settlementId } = await underWay(e2e(), 3);
    await outside.takeBlocksBack(3);
    await payer.settlement(settlementId, 'REOPENED');
    const { txid: byTxid } = await steal(e2e(), payer, outpoint);
    await lookedAt(e2e());
    await outside.mine(5);
    await expectInOrder(e2e());
    await payer.settlement(settlementId, 'REOPENED');
    await outside.mine(1);
    const reversed = await payer.settlement(settlementId, 'REVERSED');
    expect(reversed.reason).toBe(`excluded by ${byTxid}, which is final`);
    expect(lifeOf(reversed)).toEqual([...UNTIL_EXECUTING, 'CONFIRMING', 'SETTLED', 'REOPENED', 'REVERSED']);
    expect(await payer.total()).toBe(DEPOSIT_SATS);
    expect(await payee.balance('wallet')).toEqual(NOTHING);
    for (const bank of [payer, payee]) {
      const { status, reason } = await bank.institution();
      expect(status).toBe(INSTITUTION_STATUS_FROZEN);
      expect(reason).toContain(settlementId);
    }
    expect(await refused(payee.submit({ to: payer, amountSats: 1n, mode: 'CENTRALIZED' }))).toMatchObject({
      reason: 'INSTITUTION_FROZEN',
    });
    const { operator } = e2e();
    for (const { id: institutionId } of [payer, payee]) {
      await e2e().agree({ unfreezeInstitution: { institutionId, althoughOwing: false } });
      expect((await operator.institutions.getInstitution({ institutionId })).status).toBe(INSTITUTION_STATUS_ACTIVE);
    }
    await payer.fund({ clearing: [1_000n] });
    await payer.settle({ to: payee, amountSats: 1_000n, mode: 'CENTRALIZED' });
    await expectInOrder(e2e());
  });

  it('of 3 blocks, with the deposit it is paid from double-spent, fails and owes nothing', async () => {
    const { outside } = e2e();
    const [payer, payee] = [await e2e().bank(), await e2e().bank()];
    const paid = await outside.payIn({ address: await payer.address('wallet'), valueSats: DEPOSIT_SATS });
    await outside.mine(3);
    await payer.deposit(paid.outpoints[0]!, 'CREDITED');
    const { settlementId } = await payer.submit({ to: payee, amountSats: AMOUNT_SATS, mode: 'BILATERAL' });
    await payer.executing(settlementId);
    await outside.takeBlocksBack(3);
    await payer.deposit(paid.outpoints[0]!, 'UNCONFIRMED');
    const byTxid = await outside.takeBack(paid);
    await outside.mine(5);
    await payer.deposit(paid.outpoints[0]!, 'REPLACED');
    await payer.settlement(settlementId, 'EXECUTING');
    await expectInOrder(e2e());
    await outside.mine(1);
    const failed = await payer.settlement(settlementId, 'FAILED');
    expect(failed.reason).toContain(byTxid);
    await payer.deposit(paid.outpoints[0]!, 'REVERSED');
    expect(await payer.balance('wallet')).toEqual(NOTHING);
    expect(await payee.balance('wallet')).toEqual(NOTHING);
    await expectInOrder(e2e());
  });

  it('of 6 blocks, with the deposit it was paid from double-spent, is reversed and both sides are frozen', async () => {
    const { outside } = e2e();
    const [payer, payee] = [await e2e().bank({ wallet: 'tr' }), await e2e().bank()];
    const paid = await outside.payIn({ address: await payer.address('wallet'), valueSats: DEPOSIT_SATS });
    await outside.mine(3);
    await payer.deposit(paid.outpoints[0]!, 'CREDITED');
    await payer.settle({ to: payee, amountSats: AMOUNT_SATS, mode: 'BILATERAL' });
    const [settlement] = (await payer.api.settlements.listSettlements({ pageSize: 1, pageToken: '' })).settlements;
    const { settlementId } = settlement!;
    await outside.takeBlocksBack(6);
    await payer.settlement(settlementId, 'REOPENED');
    await payer.deposit(paid.outpoints[0]!, 'UNCONFIRMED');
    await outside.takeBack(paid);
    await outside.mine(7);
    const reversed = await payer.settlement(settlementId, 'REVERSED');
    expect(lifeOf(reversed).slice(-3)).toEqual(['SETTLED', 'REOPENED', 'REVERSED']);
    expect(await payer.balance('wallet')).toEqual(NOTHING);
    expect(await payee.balance('wallet')).toEqual(NOTHING);
    expect([await payer.institution(), await payee.institution()]).toMatchObject([
      { status: INSTITUTION_STATUS_FROZEN },
      { status: INSTITUTION_STATUS_FROZEN },
    ]);
    await expectInOrder(e2e());
  });
}

/** Nothing is signed from a theft on until an operator has confirmed it. */
async function lookedAt(e2e: E2e): Promise<void> {
  const { INCIDENT_KIND_UNKNOWN_SPEND } = settlementV1.IncidentKind;
  const kinds = await until(
    'the theft is an incident',
    () => e2e.confirmIncidents(),
    (confirmed) => confirmed.length > 0,
  );
  expect(kinds).toEqual([INCIDENT_KIND_UNKNOWN_SPEND]);
}
