import { exchangeV1, settlementV1 } from '@finality/contracts';
import { expect, it } from 'vitest';
import { refused } from '../api.fixture.ts';
import { type Bank, freshKey } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import { exchangeOf, quoteFor, rateOf } from './quotes.fixture.ts';

const { BankDirection, BankBookingStatus } = exchangeV1;
const FIRST_PAGE = { pageSize: 0, pageToken: '' };
const CENTRALIZED = settlementV1.SettlementMode.SETTLEMENT_MODE_CENTRALIZED;
const APPROVE = settlementV1.ReviewDecision.REVIEW_DECISION_APPROVE;

/** Units beside BTC: what holds whatever the services run on. */
export function otherUnits(e2e: () => E2e): void {
  let lines = 0;

  const proposed = (bank: Bank, direction: exchangeV1.BankDirection, amount: bigint, unit = 'USD') => ({
    idempotencyKey: freshKey(),
    direction,
    institutionId: bank.id,
    amount: { unit, amount },
    statementLine: `2026-11-22 #${++lines}`,
    reason: 'as on the statement',
  });
  const decision = (bookingId: string) => ({ idempotencyKey: freshKey(), bookingId, reason: 'seen' });

  async function book(bank: Bank, direction: exchangeV1.BankDirection, amount: bigint, unit = 'USD'): Promise<void> {
    const { bookingId } = await e2e().operator.cash.proposeBankBooking(proposed(bank, direction, amount, unit));
    await e2e().second.cash.confirmBankBooking(decision(bookingId));
  }

  const balanceOf = async (bank: Bank, unit = 'USD'): Promise<bigint | undefined> => {
    const { balances } = await bank.api.ledger.getBalances({ institutionId: bank.id });
    return balances.find((balance) => balance.unit === unit && balance.claim.startsWith('clearing'))?.available;
  };

  it('come in and go out by two persons, a line of the bank’s statement once', async () => {
    const bank = await e2e().bank({ wallet: 'none' });
    const { cash } = e2e().operator;
    const request = proposed(bank, BankDirection.BANK_DIRECTION_IN, 1_000n);
    const booking = await cash.proposeBankBooking(request);
    expect(booking).toMatchObject({ status: BankBookingStatus.BANK_BOOKING_STATUS_PROPOSED, proposals: 1 });
    expect(await cash.proposeBankBooking(request)).toEqual(booking);
    const again = { ...request, idempotencyKey: freshKey() };
    expect(await refused(cash.proposeBankBooking(again))).toMatchObject({ reason: 'LINE_BOOKED' });
    expect(await refused(cash.confirmBankBooking(decision(booking.bookingId)))).toMatchObject({
      reason: 'SAME_PERSON',
    });
    expect(await balanceOf(bank)).toBeUndefined();
    const second = e2e().second;
    await second.cash.confirmBankBooking(decision(booking.bookingId));
    expect(await balanceOf(bank)).toBe(1_000n);
    const out = await cash.proposeBankBooking(proposed(bank, BankDirection.BANK_DIRECTION_OUT, 400n));
    expect(await balanceOf(bank)).toBe(600n);
    await second.cash.rejectBankBooking(decision(out.bookingId));
    await book(bank, BankDirection.BANK_DIRECTION_OUT, 300n);
    expect(await balanceOf(bank)).toBe(700n);
    const own = { institutionId: bank.id, status: BankBookingStatus.BANK_BOOKING_STATUS_UNSPECIFIED, pageSize: 2 };
    const page = await bank.api.cash.listBankBookings({ ...own, pageToken: '' });
    const rest = await bank.api.cash.listBankBookings({ ...own, pageToken: page.nextPageToken });
    expect([...page.bookings, ...rest.bookings].map(({ amount }) => amount?.amount)).toEqual([300n, 400n, 1_000n]);
    expect(rest.nextPageToken).toBe('');
  });

  it('settle after a person has looked, and show in statements and balances of their own', async () => {
    const [payer, payee] = [await e2e().bank({ wallet: 'none' }), await e2e().bank({ wallet: 'none' })];
    await book(payer, BankDirection.BANK_DIRECTION_IN, 1_000n, 'EUR');
    const request = settlementV1.SubmitSettlementRequest.fromPartial({
      idempotencyKey: freshKey(),
      fromInstitution: payer.id,
      toInstitution: payee.id,
      amount: { unit: 'EUR', amount: 250n },
      settlementMode: CENTRALIZED,
    });
    const { settlementId, amountSats, amount, valueSats } = await payer.api.settlements.submitSettlement(request);
    expect({ amountSats, amount, valueSats }).toEqual({
      amountSats: 0n,
      amount: { unit: 'EUR', amount: 250n },
      valueSats: undefined,
    });
    await payer.settlement(settlementId, 'UNDER_REVIEW');
    const review = { idempotencyKey: freshKey(), settlementId, decision: APPROVE, reason: 'looked at' };
    await e2e().compliance.settlements.reviewSettlement(review);
    await payer.settlement(settlementId, 'SETTLED');
    expect([await balanceOf(payer, 'EUR'), await balanceOf(payee, 'EUR')]).toEqual([750n, 250n]);
    const account = `clearing/${payer.id}/EUR/available`;
    const { summary, entries } = await payer.api.ledger.getStatement({ account, pageSize: 0, pageToken: '' });
    expect(summary).toMatchObject({ unit: 'EUR', closingBalance: 750n });
    expect(entries.map(({ credit, debit, counterAccount }) => [credit - debit, counterAccount])).toEqual([
      [1_000n, 'nostro/EUR'],
      [-250n, 'ccp/EUR'],
    ]);
    const { accounts } = await e2e().operator.ledger.listBalances({
      institutionId: '',
      pageSize: 1_000,
      pageToken: '',
    });
    const sums = new Map<string, bigint>();
    for (const { unit, balance } of accounts) sums.set(unit, (sums.get(unit) ?? 0n) + balance);
    expect(sums.get('EUR')).toBe(0n);
    expect(new Set(sums.values())).toEqual(new Set([0n]));
    await expectInOrder(e2e());
  });

  it('that were booked for another institution are moved by two operators, and both statements show it', async () => {
    const [wrong, right] = [await e2e().bank({ wallet: 'none' }), await e2e().bank({ wallet: 'none' })];
    await book(wrong, BankDirection.BANK_DIRECTION_IN, 1_000n);
    const listOf = async ({ id: institutionId }: Bank) => {
      const asked = { institutionId, status: BankBookingStatus.BANK_BOOKING_STATUS_UNSPECIFIED, ...FIRST_PAGE };
      return (await e2e().operator.cash.listBankBookings(asked)).bookings;
    };
    const [booked] = await listOf(wrong);
    const { bookingId } = booked!;
    const said = { direction: BankDirection.BANK_DIRECTION_IN, institutionId: right.id, amount: 900n };
    await e2e().agree({ correctBankBooking: { bookingId, institutionId: wrong.id, right: said } });
    expect([await balanceOf(wrong), await balanceOf(right)]).toEqual([0n, 900n]);
    const [corrected] = await listOf(wrong);
    const [instead] = await listOf(right);
    expect(corrected).toMatchObject({
      status: BankBookingStatus.BANK_BOOKING_STATUS_CORRECTED,
      correction: { replacedBy: instead!.bookingId },
    });
    expect(instead).toMatchObject({ corrects: bookingId, amount: { unit: 'USD', amount: 900n } });
    const movedOf = async (bank: Bank) => {
      const account = `clearing/${bank.id}/USD/available`;
      const { entries } = await bank.api.ledger.getStatement({ account, ...FIRST_PAGE });
      return entries.map(({ kind, object, credit, debit }) => [kind, object, credit - debit]);
    };
    expect(await movedOf(wrong)).toEqual([
      ['single', bookingId, 1_000n],
      ['correction', bookingId, -1_000n],
    ]);
    expect(await movedOf(right)).toEqual([['correction', instead!.bookingId, 900n]]);
    await expectInOrder(e2e());
  });

  it('are exchanged at a quote: both legs at once, across a border too, and each quote once', async () => {
    const [payer, payee, maker] = [
      await e2e().bank({ wallet: 'none', creditLineSats: 1_000_000n }),
      await e2e().bank({ wallet: 'none' }),
      await e2e().bank({ wallet: 'none' }),
    ];
    await book(maker, BankDirection.BANK_DIRECTION_IN, 10_000n);
    await maker.api.exchange.publishRate(rateOf(maker));
    const { rates } = await payer.api.exchange.listRates({ makerInstitution: maker.id, baseUnit: '', counterUnit: '' });
    expect(rates).toMatchObject([{ counterUnit: 'USD', price: { numerator: 13n, denominator: 200n }, version: 1 }]);
    const quote = await payer.api.exchange.requestQuote(quoteFor(payer, maker, { buyAmount: 130n }));
    expect(quote).toMatchObject({ sell: { unit: 'BTC', amount: 2_000n }, buy: { amount: 130n }, remainder: 0n });
    const submit = () => payer.api.settlements.submitSettlement(exchangeOf(payer, payee, quote.quoteId));
    const tries = await Promise.allSettled([submit(), submit(), submit(), submit()]);
    const [accepted, ...more] = tries.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(more).toEqual([]);
    const { settlementId } = accepted!;
    const settled = await payer.settlement(settlementId, 'SETTLED');
    expect(settled).toMatchObject({ amountSats: 0n, valueSats: 2_000n, exchange: { quoteId: quote.quoteId } });
    expect(await balanceOf(payer, 'BTC')).toBe(-2_000n);
    expect(await balanceOf(maker, 'BTC')).toBe(2_000n);
    expect([await balanceOf(maker), await balanceOf(payee)]).toEqual([9_870n, 130n]);
    expect(await refused(submit())).toMatchObject({ reason: 'QUOTE_USED' });
    expect(await payer.api.exchange.getQuote({ quoteId: quote.quoteId })).toMatchObject({ settlementId });
    expect(await maker.api.settlements.getSettlement({ settlementId })).toMatchObject({ settlementId });
    expect(await refused(payee.api.exchange.getQuote({ quoteId: quote.quoteId }))).toMatchObject({
      reason: 'UNKNOWN_QUOTE',
    });
    const asked = { idempotencyKey: freshKey(), settlementId };
    const reversal = settlementV1.ReverseSettlementRequest.fromPartial(asked);
    expect(await refused(payee.api.settlements.reverseSettlement(reversal))).toMatchObject({ reason: 'NOT_THE_PAYEE' });
    const back = await e2e().operator.settlements.reverseSettlement(reversal);
    expect(back.expiresAt!.seconds - back.createdAt!.seconds).toBe(3_600n);
    await payer.settlement(back.settlementId, 'SETTLED');
    expect([await balanceOf(payer, 'BTC'), await balanceOf(maker, 'BTC')]).toEqual([0n, 0n]);
    expect([await balanceOf(maker), await balanceOf(payee)]).toEqual([10_000n, 0n]);
  });

  it('settle by themselves while operators say what a unit is worth', async () => {
    const [payer, payee] = [await e2e().bank({ wallet: 'none' }), await e2e().bank({ wallet: 'none' })];
    await book(payer, BankDirection.BANK_DIRECTION_IN, 1_000n, 'CHF');
    const reference = { baseUnit: 'CHF', counterUnit: 'BTC', price: { numerator: 18n, denominator: 1n } };
    const rate = rateOf({ id: 'platform' }, reference);
    const { publishRate } = e2e().operator.exchange;
    expect(await refused(publishRate(rate))).toMatchObject({ reason: 'SECOND_PERSON_REQUIRED' });
    await e2e().agree({ publishRate: { ...rate, idempotencyKey: '' } });
    const request = exchangeOf(payer, payee, '', { quoteId: undefined, amount: { unit: 'CHF', amount: 70n } });
    const { settlementId, valueSats } = await payer.api.settlements.submitSettlement(request);
    expect(valueSats).toBe(1_260n);
    await payer.settlement(settlementId, 'SETTLED');
    expect(await balanceOf(payee, 'CHF')).toBe(70n);
    await expectInOrder(e2e());
  });
}
