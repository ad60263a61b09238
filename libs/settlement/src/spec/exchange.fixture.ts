import { type Instant, type Refusal, type Result, sats, unwrap } from '@finality/kernel';
import {
  availableAccount,
  BTC,
  clearingClaim,
  nostroAccount,
  parseUnit,
  single,
  transitAccount,
  type Unit,
} from '@finality/ledger';
import { expect } from 'vitest';
import { confirmBankBooking, proposeBankBooking } from '../process/bank-bookings.ts';
import { registerFirstKey } from '../process/api-keys.ts';
import { createInstitution } from '../process/institutions.ts';
import { type KnownRate, publishRate, type QuoteRequest, type RateProposal, requestQuote } from '../process/rates.ts';
import { reserve } from '../process/reserve.ts';
import { review } from '../process/review.ts';
import { settlementAssessed } from '../process/screening.ts';
import { submit, type Submission } from '../process/submit.ts';
import type { KnownQuote } from '../quote.ts';
import { type LivingSettlement, living } from '../settlement.ts';
import { firstKey, MemoryBook } from './memory-book.fixture.ts';

export const USD = parseUnit('USD')!;
export const EUR = parseUnit('EUR')!;
export const QUOTE_MS = 60_000;

/** Institutions that have money in several units, and what is done with it. */
export class Exchange {
  readonly book = new MemoryBook();
  #made = 0;

  constructor(...institutionIds: readonly string[]) {
    for (const keyId of ['one', 'two']) unwrap(registerFirstKey(this.book, firstKey(keyId)));
    for (const institutionId of institutionIds)
      unwrap(createInstitution(this.book, { institutionId, name: institutionId, creditLineSats: 0n }));
  }

  /** Satoshi from the chain, as far as clearing knows. */
  fund(institutionId: string, amount: bigint): void {
    const key = { purpose: 'test', object: `funding ${++this.#made}`, life: 1 };
    const credit = availableAccount({ kind: 'clearing', institutionId });
    unwrap(this.book.ledger.post([single({ ...key, debit: transitAccount(), credit, amount })]));
  }

  /** Money that two persons have seen on the platform's account. */
  payIn(institutionId: string, unit: Unit, amount: bigint): void {
    const { line } = unwrap(
      proposeBankBooking(this.book, {
        direction: 'in',
        institutionId,
        money: { unit, amount },
        statementLine: `line ${++this.#made}`,
        reason: '',
        proposedBy: 'one',
      }),
    );
    unwrap(confirmBankBooking(this.book, { bookingId: line.bookingId, by: 'two', reason: '' }));
  }

  /** Cents for satoshi or the other way round, at the price given. */
  publish(change: Partial<RateProposal> = {}): KnownRate {
    return unwrap(publishRate(this.book, this.rate(change)));
  }

  rate(change: Partial<RateProposal> = {}): RateProposal {
    return {
      makerId: 'm',
      base: BTC,
      counter: USD,
      price: { numerator: 13n, denominator: 200n },
      validUntil: (this.book.now + 3_600_000) as Instant,
      quoteMs: QUOTE_MS,
      publishedBy: 'key-m',
      ...(change.makerId === 'platform' ? { isOwn: false, confirmedBy: 'key-n' } : { isOwn: true }),
      ...change,
    };
  }

  quote(change: Partial<QuoteRequest> = {}): Result<KnownQuote, Refusal> {
    const quoteId = change.quoteId ?? `q-${++this.#made}`;
    const asked = { fixed: 'sell', amount: 1_000n, requestedBy: 'key-a' } as const;
    const units = { makerId: 'm', sellUnit: BTC, buyUnit: USD };
    return requestQuote(this.book, { quoteId, institutionId: 'a', ...units, ...asked, ...change });
  }

  submission(change: Partial<Submission>): Submission {
    const settlementId = change.settlementId ?? `s-${++this.#made}`;
    return {
      settlementId,
      from: 'a',
      to: 'b',
      amountSats: sats(0n),
      mode: 'centralized',
      feeBearer: 'payer',
      referenceId: '',
      idempotencyKey: settlementId,
      submittedBy: 'key-a',
      ...change,
    };
  }

  submit(change: Partial<Submission>): Result<LivingSettlement, Refusal> {
    return submit(this.book, this.submission(change));
  }

  /** Both find nothing wrong with it. */
  screen(settlementId: string): LivingSettlement {
    for (const by of ['risk', 'aml'] as const) {
      const assessment = { recommendation: 'approve', rulesVersion: 'test', reason: '' } as const;
      settlementAssessed(this.book, settlementId, by, assessment);
    }
    return this.settlement(settlementId);
  }

  approve(settlementId: string): LivingSettlement {
    return unwrap(review(this.book, { settlementId, decision: 'approve', reason: '', reviewer: 'officer' }));
  }

  retry(settlementId: string): LivingSettlement {
    reserve(this.book, settlementId);
    return this.settlement(settlementId);
  }

  settlement(settlementId: string): LivingSettlement {
    return living(this.book.settlements.get(settlementId));
  }

  wait(ms: number): void {
    this.book.now = (this.book.now + ms) as Instant;
  }

  /** Free to spend. */
  has(institutionId: string, unit: Unit): bigint {
    return this.book.ledger.spendable(clearingClaim(institutionId, unit));
  }

  /** What banks hold for all. */
  held(unit: Unit): bigint {
    const { debitsPosted, creditsPosted } = this.book.ledger.account(nostroAccount(unit));
    return debitsPosted - creditsPosted;
  }
}

export const refusedFor = (result: Result<unknown, Refusal>, reason: string, field?: string): void => {
  expect(result).toMatchObject({ ok: false, error: { reason } });
  if (!result.ok && field !== undefined) expect(result.error.fields?.map((each) => each.field)).toEqual([field]);
};
