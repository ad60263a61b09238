import type { Batch } from '@finality/event-store';
import { assertNever } from '@finality/kernel';
import { type AccountId, availableAccount, clearingClaim, nostroAccount, type TransferId } from '@finality/ledger';
import { bankBookingId, bankReservationId, type BankLine } from '@finality/settlement';
import type { ExchangeCommand } from './exchange-commands.ts';
import { bankBookingStream } from './exchange-streams.ts';

/** What commands about money beside the chain's have to be loaded with: nothing for a batch that has none of them. */
export class ExchangeNeeds {
  readonly #bankBookings = new Set<string>();
  readonly #institutions = new Set<string>();
  readonly accounts = new Set<AccountId>();
  readonly transfers = new Set<TransferId>();

  add(body: ExchangeCommand): void {
    switch (body.type) {
      case 'propose_bank_booking': {
        const { proposal } = body;
        this.#bankBookings.add(bankBookingId(proposal.money.unit, proposal.statementLine));
        return this.#line(proposal);
      }
      case 'confirm_bank_booking':
      case 'reject_bank_booking':
        return void this.#bankBookings.add(body.decision.bookingId);
      default:
        return assertNever(body, 'command');
    }
  }

  streams(): string[] {
    return [...this.#bankBookings].map((id) => `${bankBookingStream.aggregate.name}/${id}`);
  }

  /** What the streams that were loaded name. @returns institutions that are needed */
  follow(batch: Batch): ReadonlySet<string> {
    for (const id of this.#bankBookings) {
      const booking = batch.state(bankBookingStream, id);
      if (booking.status === 'none') continue;
      this.#line(booking.line);
      if (booking.line.direction === 'out') this.transfers.add(bankReservationId(booking));
    }
    return this.#institutions;
  }

  #line({ institutionId, money: { unit } }: Pick<BankLine, 'institutionId' | 'money'>): void {
    this.#institutions.add(institutionId);
    this.accounts.add(nostroAccount(unit)).add(availableAccount(clearingClaim(institutionId, unit)));
  }
}
