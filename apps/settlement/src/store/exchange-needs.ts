import type { Batch } from '@finality/event-store';
import { assertNever } from '@finality/kernel';
import {
  type AccountId,
  availableAccount,
  BTC,
  clearingClaim,
  nostroAccount,
  type TransferId,
  type Unit,
} from '@finality/ledger';
import {
  bankBookingId,
  bankCorrectionId,
  type BankLine,
  bankReservationId,
  bookedTransferId,
  type CreditLineRequest,
  type ExchangeCommand,
  type KnownBankBooking,
  rateIdOf,
  referenceRateId,
  type Submission,
} from '@finality/settlement';
import { bankBookingStream, quoteStream, rateStream, unitDebtStream } from './exchange-streams.ts';

/** What commands about money beside the chain's have to be loaded with: nothing for a batch that has none of them. */
export class ExchangeNeeds {
  readonly accounts = new Set<AccountId>();
  readonly transfers = new Set<TransferId>();
  readonly #bankBookings = new Set<string>();
  /** By line that is corrected: whose it should have been. */
  readonly #rightly = new Map<string, string | undefined>();
  readonly #rates = new Set<string>();
  /** Units in which more may be owed. */
  readonly #debts = new Set<Unit>();
  readonly #quotes = new Set<string>();
  readonly #institutions = new Set<string>();

  add(command: ExchangeCommand): void {
    switch (command.type) {
      case 'propose_bank_booking': {
        const { proposal } = command;
        this.#bankBookings.add(bankBookingId(proposal.money.unit, proposal.statementLine));
        return this.#line(proposal);
      }
      case 'correct_bank_line': {
        const { bookingId, right } = command.request;
        this.#bankBookings.add(bookingId);
        return void this.#rightly.set(bookingId, right?.institutionId);
      }
      case 'confirm_bank_booking':
      case 'reject_bank_booking':
        return void this.#bankBookings.add(command.decision.bookingId);
      case 'publish_rate': {
        const { makerId, base, counter } = command.proposal;
        this.#institutions.add(makerId);
        return void this.#rates.add(rateIdOf(makerId, base, counter));
      }
      case 'withdraw_rate':
        return void this.#rates.add(command.rateId);
      case 'request_quote': {
        const { quoteId, institutionId, makerId, sellUnit, buyUnit } = command.request;
        this.#quotes.add(quoteId);
        this.#institutions.add(institutionId).add(makerId);
        this.#rates.add(rateIdOf(makerId, sellUnit, buyUnit));
        return this.#valued(sellUnit, buyUnit);
      }
      default:
        return assertNever(command, 'command');
    }
  }

  line({ limit }: CreditLineRequest): void {
    this.#debts.add(limit?.unit ?? BTC);
  }

  submission({ paid, quoteId }: Submission): void {
    if (quoteId !== undefined) this.#quotes.add(quoteId);
    else if (paid !== undefined) this.#rates.add(referenceRateId(paid.unit));
  }

  streams(): string[] {
    return [
      ...[...this.#bankBookings].map((id) => `${bankBookingStream.aggregate.name}/${id}`),
      ...[...this.#rates].map((id) => `${rateStream.aggregate.name}/${id}`),
      ...[...this.#debts].map((unit) => `${unitDebtStream.aggregate.name}/${unit}`),
      ...[...this.#quotes].map((id) => `${quoteStream.aggregate.name}/${id}`),
    ];
  }

  /** What the streams that were loaded name. @returns institutions that are needed */
  follow(batch: Batch): ReadonlySet<string> {
    for (const id of [...this.#bankBookings]) {
      const booking = batch.state(bankBookingStream, id);
      if (booking.status === 'none') continue;
      this.#line(booking.line);
      if (booking.line.direction === 'out') this.transfers.add(bankReservationId(booking));
      if (this.#rightly.has(id)) this.#correction(booking, this.#rightly.get(id));
    }
    for (const id of this.#quotes) {
      const quote = batch.state(quoteStream, id);
      if (quote.status === 'none') continue;
      const { makerId, sell, buy } = quote.terms;
      this.#institutions.add(makerId);
      this.#valued(sell.unit, buy.unit);
    }
    return this.#institutions;
  }

  #correction(wrong: KnownBankBooking, institutionId: string | undefined): void {
    this.transfers.add(bookedTransferId(wrong));
    this.#debts.add(wrong.line.money.unit);
    if (institutionId === undefined) return;
    this.#bankBookings.add(bankCorrectionId(wrong));
    this.#line({ institutionId, money: wrong.line.money });
  }

  /** Where nothing is sold for satoshi or bought for them, somebody has to have said what it is worth: what is sold or, paid back, what was bought. */
  #valued(sell: Unit, buy: Unit): void {
    if (sell !== BTC && buy !== BTC) this.#rates.add(referenceRateId(sell)).add(referenceRateId(buy));
  }

  #line({ institutionId, money: { unit } }: Pick<BankLine, 'institutionId' | 'money'>): void {
    this.#institutions.add(institutionId);
    this.accounts.add(nostroAccount(unit)).add(availableAccount(clearingClaim(institutionId, unit)));
  }
}
