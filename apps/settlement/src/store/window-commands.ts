import type { Refusal, Result } from '@finality/kernel';
import {
  agreeNetting,
  type Book,
  chooseWindowPayout,
  closeWindow,
  type DebitCapRequest,
  endNetting,
  type NettingRequest,
  openWindow,
  setDebitCap,
  type PayoutRequest,
  type WindowClosing,
} from '@finality/settlement';

/** What is decided about windows, by operators and by those who net. */
export type WindowCommand =
  | { readonly type: 'open_window'; readonly windowId: string }
  | { readonly type: 'close_window'; readonly closing: WindowClosing }
  /** @see agreeNetting: the window is the one that opens should both have agreed */
  | { readonly type: 'agree_netting'; readonly request: NettingRequest; readonly windowId: string }
  | { readonly type: 'end_netting'; readonly request: NettingRequest }
  | { readonly type: 'choose_window_payout'; readonly request: PayoutRequest }
  | { readonly type: 'set_debit_cap'; readonly request: DebitCapRequest };

export function decideWindow(book: Book, body: WindowCommand): Result<unknown, Refusal> {
  switch (body.type) {
    case 'open_window':
      return openWindow(book, body.windowId);
    case 'close_window':
      return closeWindow(book, body.closing);
    case 'agree_netting':
      return agreeNetting(book, body.request, body.windowId);
    case 'end_netting':
      return endNetting(book, body.request);
    case 'choose_window_payout':
      return chooseWindowPayout(book, body.request);
    case 'set_debit_cap':
      return setDebitCap(book, body.request);
  }
}
