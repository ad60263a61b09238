import { exchangeV1, liquidityV1, settlementV1, toTimestamp } from '@finality/contracts';
import type { Instant } from '@finality/kernel';
import { beforeAll, expect, it } from 'vitest';
import { refused } from '../api.fixture.ts';
import { type Bank, freshKey } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import { until } from '../wait.fixture.ts';
import { exchangeOf, rateOf } from './quotes.fixture.ts';

const { BANK_DIRECTION_IN } = exchangeV1.BankDirection;
const { SETTLEMENT_PRIORITY_URGENT } = settlementV1.SettlementPriority;
const { WINDOW_STATUS_SETTLED, WINDOW_STATUS_SETTLING } = settlementV1.WindowStatus;
const UNIT = 'SEK';
const LINE_MS = 3_000;

/** What clearing has for satoshi, for another unit: what holds whatever the services run on. */
export function unitClearing(e2e: () => E2e): void {
  let lines = 0;

  beforeAll(async () => {
    const worth = { baseUnit: UNIT, counterUnit: 'BTC', price: { numerator: 16n, denominator: 1n } };
    await e2e().agree({ publishRate: rateOf({ id: 'platform' }, { ...worth, idempotencyKey: '' }) });
  });

  const payIn = async (bank: Bank, amount: bigint): Promise<void> => {
    const { bookingId } = await e2e().operator.cash.proposeBankBooking({
      idempotencyKey: freshKey(),
      direction: BANK_DIRECTION_IN,
      institutionId: bank.id,
      amount: { unit: UNIT, amount },
      statementLine: `unit clearing #${++lines}`,
      reason: 'as on the statement',
    });
    await e2e().second.cash.confirmBankBooking({ idempotencyKey: freshKey(), bookingId, reason: 'seen' });
  };

  /** @returns its id, once it has settled or waits */
  const pay = async (payer: Bank, payee: Bank, amount: bigint, change: object = {}): Promise<string> => {
    const what = { quoteId: undefined, amount: { unit: UNIT, amount }, ...change };
    const request = exchangeOf(payer, payee, '', what);
    return (await payer.api.settlements.submitSettlement(request)).settlementId;
  };

  const available = async (bank: Bank): Promise<bigint | undefined> => {
    const { balances } = await bank.api.ledger.getBalances({ institutionId: bank.id });
    return balances.find(({ unit }) => unit === UNIT)?.available;
  };

  const banks = async (): Promise<readonly [Bank, Bank]> => [
    await e2e().bank({ wallet: 'none' }),
    await e2e().bank({ wallet: 'none' }),
  ];

  it('is paid in the order of the payer’s line, beside its line of satoshi', async () => {
    const [payer, payee] = await banks();
    await payIn(payer, 100n);
    const large = await pay(payer, payee, 101n);
    await payer.settlement(large, 'QUEUED');
    const small = await pay(payer, payee, 1n);
    const urgent = await pay(payer, payee, 60n, { priority: SETTLEMENT_PRIORITY_URGENT });
    await payer.settlement(urgent, 'SETTLED');
    await payer.settlement(small, 'QUEUED');
    expect(await Promise.all([large, small].map(async (id) => (await payer.get(id)).queuePlace))).toEqual([1, 2]);
    await payIn(payer, 62n);
    await payer.settlement(small, 'SETTLED');
    await payer.settlement(large, 'SETTLED');
    expect([await available(payer), await available(payee)]).toEqual([0n, 162n]);
    await expectInOrder(e2e());
  });

  it('may be owed as far as the credit line in it, which ends with its time', async () => {
    const [payer, payee] = await banks();
    const institutionId = payer.id;
    const first = await pay(payer, payee, 60n);
    await payer.settlement(first, 'QUEUED');
    const waiting = { count: 1n, sum: 60n };
    expect(await payer.api.liquidity.getLiquidity({ institutionId })).toMatchObject({
      outgoing: { count: 0n },
      units: [{ unit: UNIT, available: 0n, outgoing: waiting, incoming: { count: 0n } }],
    });
    expect(await payee.api.liquidity.getLiquidity({ institutionId: payee.id })).toMatchObject({
      units: [{ unit: UNIT, incoming: waiting }],
    });
    const request = { institutionId, limitSats: 0n, limit: { unit: UNIT, amount: 100n }, reason: 'reviewed' };
    const expiresAt = toTimestamp((Date.now() + LINE_MS) as Instant);
    const line = { ...request, idempotencyKey: freshKey(), expiresAt };
    const { setCreditLine } = e2e().operator.liquidity;
    expect(await refused(setCreditLine(line))).toMatchObject({ reason: 'SECOND_PERSON_REQUIRED' });
    const agreed = await e2e().agree({ setCreditLine: { ...line, idempotencyKey: '', reason: '' } });
    expect(agreed.change?.setCreditLine).toMatchObject({ limit: request.limit, limitSats: 0n });
    await payer.settlement(first, 'SETTLED');
    const drawn = { unit: UNIT, available: -60n, creditLine: { drawn: 60n } };
    const { units } = await until(
      `the line of ${institutionId} is gone`,
      () => payer.api.liquidity.getLiquidity({ institutionId }),
      (liquidity) => liquidity.units[0]?.creditLine?.limit === 0n,
    );
    expect(units).toMatchObject([{ ...drawn, spendable: -60n, creditLine: { left: 0n, expiresAt: undefined } }]);
    const second = await pay(payer, payee, 1n);
    await payer.settlement(second, 'QUEUED');
    await payIn(payer, 61n);
    await payer.settlement(second, 'SETTLED');
    expect(await available(payee)).toBe(61n);
  });

  it('is netted in the windows of satoshi, with positions of its own', async () => {
    const [payer, payee] = await banks();
    await payIn(payer, 100n);
    const { windowId } = await e2e().operator.windows.openWindow({ idempotencyKey: freshKey() });
    for (const [from, to, amount] of [
      [payer, payee, 70n],
      [payee, payer, 30n],
    ] as const)
      expect(await from.settlement(await pay(from, to, amount), 'SETTLED')).toMatchObject({ windowId });
    const closing = { idempotencyKey: freshKey(), windowId, reason: 'cut-off' };
    const totals = { unit: UNIT, participants: 2, settlements: 2n, gross: 100n, net: 40n };
    expect(await e2e().operator.windows.closeWindow(closing)).toMatchObject({ grossSats: 0n, units: [totals] });
    const { positions, unitPositions } = await e2e().operator.windows.getWindow({ windowId });
    expect(positions).toEqual([]);
    expect(unitPositions.map(({ institutionId, net }) => [institutionId, net])).toEqual(
      [
        [payer.id, -40n],
        [payee.id, 40n],
      ].toSorted(([a], [b]) => (a! < b! ? -1 : 1)),
    );
    const own = await payee.api.windows.getWindow({ windowId });
    expect(own).toMatchObject({
      window: { units: [] },
      unitPositions: [{ institutionId: payee.id, unit: UNIT, paid: 30n, received: 70n, net: 40n }],
    });
    await expectInOrder(e2e());
  });

  it('is due by the terms when a window closes; what isn’t paid in time takes its collateral, and is a default when two operators say so', async () => {
    const [payer, payee] = await banks();
    const institutionId = payer.id;
    const asked = () => ({ idempotencyKey: freshKey(), institutionId, reason: 'agreed' });
    const limit = { unit: UNIT, amount: 100n };
    await e2e().agree({ setCreditLine: { ...asked(), idempotencyKey: '', reason: '', limitSats: 0n, limit } });
    const unitTerms = [{ unit: UNIT, dueAfterSeconds: 1 }];
    await e2e().operator.collateral.setCreditTerms({ ...asked(), unitTerms });
    await payIn(payer, 20n);
    const move = { ...asked(), pledge: liquidityV1.Pledge.PLEDGE_COLLATERAL, amountSats: 0n };
    expect(await payer.api.collateral.postCollateral({ ...move, amount: { unit: UNIT, amount: 20n } })).toMatchObject({
      units: [{ unit: UNIT, collateral: 20n, lineInForce: 100n, drawn: 0n, dueAfterSeconds: 1 }],
    });
    const { windowId } = await payer.settlement(await pay(payer, payee, 80n), 'SETTLED');
    await payIn(payer, 30n);
    const closing = { idempotencyKey: freshKey(), windowId: windowId!, reason: 'cut-off' };
    expect(await e2e().operator.windows.closeWindow(closing)).toMatchObject({ status: WINDOW_STATUS_SETTLING });
    const owed = { windowId, owed: { unit: UNIT, amount: 50n } };
    const { unitObligations } = await payer.api.collateral.getCollateral({ institutionId });
    expect(unitObligations).toMatchObject([owed]);
    const { unitPositions } = await payer.api.windows.getWindow({ windowId: windowId! });
    expect(unitPositions).toMatchObject([{ institutionId, net: -80n, isDebtor: true }]);
    const { incidents } = await until(
      `it is known that ${institutionId} hasn't paid`,
      () => e2e().operator.operations.listIncidents({}),
      (found) => found.incidents.some(({ reason }) => reason.startsWith(`${institutionId} hasn't paid 50 of ${UNIT}`)),
    );
    expect(incidents.at(-1)?.kind).toBe(settlementV1.IncidentKind.INCIDENT_KIND_PARTICIPANT_DEFAULT);
    expect(await e2e().operator.windows.getWindow({ windowId: windowId! })).toMatchObject({
      window: { status: WINDOW_STATUS_SETTLED },
    });
    expect(await payer.api.liquidity.getLiquidity({ institutionId })).toMatchObject({
      units: [{ available: -30n, creditLine: { limit: 30n, drawn: 30n } }],
    });
    const overdue = (await payer.api.collateral.getCollateral({ institutionId })).unitObligations;
    expect(overdue).toMatchObject([{ ...owed, overdue: true }]);
    expect(await available(payee)).toBe(80n);
    await e2e().operator.liquidity.setCreditLine({ ...asked(), limitSats: 0n, limit: { unit: UNIT, amount: 0n } });
    await e2e().agree({ declareDefault: { institutionId, unit: UNIT } });
    const { defaults } = await until(
      `the default of ${institutionId} is closed`,
      () => e2e().operator.defaults.listDefaults({ pageSize: 1, pageToken: '' }),
      (found) => found.defaults[0]?.institutionId === institutionId && found.defaults[0].closedAt !== undefined,
    );
    expect(defaults).toMatchObject([{ unit: UNIT, owed: 30n, lent: 0n, takenBack: 30n, uncovered: 0n }]);
    expect(await available(payee)).toBe(50n);
    const { operations } = e2e().operator;
    for (const { incidentId } of (await operations.listIncidents({})).incidents)
      await operations.confirmIncident({ idempotencyKey: freshKey(), incidentId, reason: 'called them' });
    await expectInOrder(e2e());
  });

  it('is offset where two wait for each other', async () => {
    const [one, other] = await banks();
    const first = await pay(one, other, 50n);
    await one.settlement(first, 'QUEUED');
    const back = await pay(other, one, 50n);
    const settled = await other.settlement(back, 'SETTLED');
    expect(settled.gridlockId).toBeDefined();
    expect(await one.settlement(first, 'SETTLED')).toMatchObject({ gridlockId: settled.gridlockId });
    expect([await available(one), await available(other)]).toEqual([0n, 0n]);
  });
}
