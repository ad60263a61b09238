import { exchangeV1, settlementV1, toTimestamp } from '@finality/contracts';
import type { Instant } from '@finality/kernel';
import { type Bank, freshKey } from '../bank.fixture.ts';
import { until } from '../wait.fixture.ts';

const HOUR_MS = 3_600_000;
const EXPIRY_MS_MAX = 5_000;
const CENTRALIZED = settlementV1.SettlementMode.SETTLEMENT_MODE_CENTRALIZED;

export const inAnHour = () => toTimestamp((Date.now() + HOUR_MS) as Instant);

/** Cents for satoshi, 13 for 200, unless it is said otherwise. */
export const rateOf = (maker: { readonly id: string }, change: Partial<exchangeV1.PublishRateRequest> = {}) =>
  exchangeV1.PublishRateRequest.fromPartial({
    idempotencyKey: freshKey(),
    makerInstitution: maker.id,
    baseUnit: 'BTC',
    counterUnit: 'USD',
    price: { numerator: 13n, denominator: 200n },
    validUntil: inAnHour(),
    ...change,
  });

export const quoteFor = (
  bank: Bank,
  maker: Bank,
  change: Partial<exchangeV1.RequestQuoteRequest> = {},
): exchangeV1.RequestQuoteRequest => ({
  idempotencyKey: freshKey(),
  institutionId: bank.id,
  makerInstitution: maker.id,
  sellUnit: 'BTC',
  buyUnit: 'USD',
  ...('buyAmount' in change ? {} : { sellAmount: 1_000n }),
  ...change,
});

export const exchangeOf = (payer: Bank, payee: Bank, quoteId: string, more: object = {}) =>
  settlementV1.SubmitSettlementRequest.fromPartial({
    idempotencyKey: freshKey(),
    fromInstitution: payer.id,
    toInstitution: payee.id,
    settlementMode: CENTRALIZED,
    quoteId,
    ...more,
  });

/** Quotes that the payer can't use: it has used it, it is over, it is the payee's. And one that it can. */
export async function uselessQuotes(payer: Bank, payee: Bank, maker: Bank): Promise<Readonly<Record<string, string>>> {
  await maker.api.exchange.publishRate(rateOf(maker, { quoteSeconds: 1 }));
  const { quoteId: expired } = await payer.api.exchange.requestQuote(quoteFor(payer, maker));
  const status = async () => (await payer.api.exchange.getQuote({ quoteId: expired })).status;
  const isOver = (found: exchangeV1.QuoteStatus) => found === exchangeV1.QuoteStatus.QUOTE_STATUS_EXPIRED;
  await until('the quote is over', status, isOver, EXPIRY_MS_MAX);
  await maker.api.exchange.publishRate(rateOf(maker, { quoteSeconds: 3_600 }));
  const { quoteId: used } = await payer.api.exchange.requestQuote(quoteFor(payer, maker));
  await payer.api.settlements.submitSettlement(exchangeOf(payer, maker, used, { failOnShortage: true }));
  const { quoteId: foreign } = await payee.api.exchange.requestQuote(quoteFor(payee, maker));
  const { quoteId: good } = await payer.api.exchange.requestQuote(quoteFor(payer, maker));
  return { usedQuote: used, expiredQuote: expired, foreignQuote: foreign, goodQuote: good };
}
