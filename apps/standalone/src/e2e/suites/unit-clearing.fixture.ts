import { exchangeV1, settlementV1 } from '@finality/contracts';
import { beforeAll, expect, it } from 'vitest';
import type { Api } from '../api.fixture.ts';
import { type Bank, freshKey } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import { exchangeOf, rateOf } from './quotes.fixture.ts';

const { BANK_DIRECTION_IN } = exchangeV1.BankDirection;
const { SETTLEMENT_PRIORITY_URGENT } = settlementV1.SettlementPriority;
const UNIT = 'SEK';

/** What clearing has for satoshi, for another unit: what holds whatever the services run on. */
export function unitClearing(e2e: () => E2e): void {
  let second: Api;
  let lines = 0;

  beforeAll(async () => {
    second = (await e2e().staff('operator')).api;
    const worth = { baseUnit: UNIT, counterUnit: 'BTC', price: { numerator: 16n, denominator: 1n } };
    await e2e().operator.exchange.publishRate(rateOf({ id: 'platform' }, worth));
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
    await second.cash.confirmBankBooking({ idempotencyKey: freshKey(), bookingId, reason: 'seen' });
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
