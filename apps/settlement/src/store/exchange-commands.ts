import { assertNever, type Refusal, type Result } from '@finality/kernel';
import {
  type BankDecision,
  type BankLineProposal,
  confirmBankBooking,
  proposeBankBooking,
  rejectBankBooking,
} from '@finality/settlement';
import type { BatchBook } from './batch-book.ts';

/** What is decided about money beside the chain's. */
export type ExchangeCommand =
  | { readonly type: 'propose_bank_booking'; readonly proposal: BankLineProposal }
  | { readonly type: 'confirm_bank_booking' | 'reject_bank_booking'; readonly decision: BankDecision };

export function decideExchange(book: BatchBook, body: ExchangeCommand): Result<unknown, Refusal> {
  switch (body.type) {
    case 'propose_bank_booking':
      return proposeBankBooking(book, body.proposal);
    case 'confirm_bank_booking':
      return confirmBankBooking(book, body.decision);
    case 'reject_bank_booking':
      return rejectBankBooking(book, body.decision);
    default:
      return assertNever(body, 'command');
  }
}
