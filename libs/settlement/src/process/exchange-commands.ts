import { assertNever, type Refusal, type Result } from '@finality/kernel';
import type { Book } from '../book.ts';
import {
  type BankDecision,
  type BankLineProposal,
  confirmBankBooking,
  proposeBankBooking,
  rejectBankBooking,
} from './bank-bookings.ts';
import { type BankCorrectionRequest, correctBankLine } from './bank-corrections.ts';
import { publishRate, type QuoteRequest, type RateProposal, requestQuote, withdrawRate } from './rates.ts';

/** What is asked for about money beside the chain's. */
export type ExchangeCommand =
  | { readonly type: 'propose_bank_booking'; readonly proposal: BankLineProposal }
  | { readonly type: 'confirm_bank_booking' | 'reject_bank_booking'; readonly decision: BankDecision }
  | { readonly type: 'publish_rate'; readonly proposal: RateProposal }
  | { readonly type: 'correct_bank_line'; readonly request: BankCorrectionRequest }
  | { readonly type: 'withdraw_rate'; readonly rateId: string; readonly by: string }
  | { readonly type: 'request_quote'; readonly request: QuoteRequest };

const TYPES: Readonly<Record<ExchangeCommand['type'], true>> = {
  propose_bank_booking: true,
  confirm_bank_booking: true,
  reject_bank_booking: true,
  correct_bank_line: true,
  publish_rate: true,
  withdraw_rate: true,
  request_quote: true,
};

export const isExchangeCommand = <Command extends { readonly type: string }>(
  command: Command | ExchangeCommand,
): command is ExchangeCommand => Object.hasOwn(TYPES, command.type);

export function decideExchange(book: Book, command: ExchangeCommand): Result<unknown, Refusal> {
  switch (command.type) {
    case 'propose_bank_booking':
      return proposeBankBooking(book, command.proposal);
    case 'confirm_bank_booking':
      return confirmBankBooking(book, command.decision);
    case 'reject_bank_booking':
      return rejectBankBooking(book, command.decision);
    case 'correct_bank_line':
      return correctBankLine(book, command.request);
    case 'publish_rate':
      return publishRate(book, command.proposal);
    case 'withdraw_rate':
      return withdrawRate(book, command.rateId, command.by);
    case 'request_quote':
      return requestQuote(book, command.request);
    default:
      return assertNever(command, 'command');
  }
}
