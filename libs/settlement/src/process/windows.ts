import { assert, err, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import type { Book } from '../book.ts';
import { totalsOf } from '../positions.ts';
import type { Terms } from '../settlement.ts';
import { legsOf } from '../unit-terms.ts';
import {
  type KnownWindow,
  type NettingEvent,
  type NettingPair,
  type Pair,
  pairKey,
  pairOf,
  windowOf,
  type WindowScope,
} from '../window.ts';
import { beginNetPayouts } from './net-payouts.ts';
import { openObligations } from './collection.ts';
import { institutionRefusal } from './institutions.ts';

/** Every batch that may settle reads all of them. */
export const NETTING_PAIRS_MAX = 500;

/** Why a pair's last window closes. */
const ENDED = 'the pair nets no more';

export interface WindowClosing {
  readonly windowId: string;
  /** Of the window that opens in its place. */
  readonly nextWindowId: string;
  /** API key, or the service itself. */
  readonly by: string;
  readonly reason: string;
}

/** What one of a pair asks for. */
export interface NettingRequest {
  readonly institutionId: string;
  readonly counterpartyId: string;
}

/** Counts a CENTRALIZED settlement that settles now. @returns the window it falls into, for good; undefined where there is none */
export function enterWindow(book: Book, terms: Terms): string | undefined {
  const legs = legsOf(terms);
  const window = windowOf(book.netting.get(), legs);
  if (window === undefined) return undefined;
  book.positions.add(window.windowId, legs);
  book.capped.add(window.windowId, legs);
  return window.windowId;
}

/** The first multilateral window; each closing opens the next. */
export function openWindow(book: Book, windowId: string): Result<KnownWindow, Refusal> {
  const { multilateral } = book.netting.get();
  if (multilateral !== undefined) {
    const message = `window ${multilateral.windowId} is open: the next one opens when it closes`;
    return err(refusal('failed_precondition', 'WINDOW_OPEN', message));
  }
  return ok(begin(book, windowId, { kind: 'multilateral' }));
}

/** From here on in the log, settlements fall into the next window; who owes what in this one is fixed. */
export function closeWindow(book: Book, closing: WindowClosing): Result<KnownWindow, Refusal> {
  const { windowId, nextWindowId } = closing;
  const window = book.windows.get(windowId);
  if (window.status === 'none') return err(refusal('not_found', 'UNKNOWN_WINDOW', `no window ${windowId}`));
  if (window.status !== 'open') {
    const message = `expected a window that is open, got one that is ${window.status}`;
    return err(refusal('failed_precondition', 'WINDOW_NOT_OPEN', message));
  }
  const closed = close(book, closing);
  begin(book, nextWindowId, window.scope);
  return ok(closed);
}

/** One of two wants their settlements netted apart from all others; with the second one's word they are, from here on in the log. */
export function agreeNetting(
  book: Book,
  { institutionId, counterpartyId }: NettingRequest,
  windowId: string,
): Result<NettingPair, Refusal> {
  const refused =
    institutionRefusal(book, institutionId, 'institution_id') ??
    institutionRefusal(book, counterpartyId, 'counterparty_id');
  if (refused !== undefined) return err(refused);
  const institutions = pairOf(institutionId, counterpartyId);
  const { pairs } = book.netting.get();
  const pair = pairs[pairKey(institutions)];
  // Said once, it is said.
  if (pair?.status === 'agreed' || pair?.by === institutionId) return ok(pair);
  const said = { at: book.now, institutions, by: institutionId };
  if (pair === undefined) {
    if (Object.keys(pairs).length >= NETTING_PAIRS_MAX) {
      const message = `expected fewer than ${NETTING_PAIRS_MAX} pairs that net apart`;
      return err(refusal('failed_precondition', 'TOO_MANY_PAIRS', message));
    }
    return ok(pairIn(book, institutions, { type: 'netting_proposed', ...said }));
  }
  book.windows.record(windowId, {
    type: 'window_opened',
    at: book.now,
    windowId,
    scope: { kind: 'bilateral', institutions },
  });
  book.positions.open(windowId);
  book.capped.open(windowId);
  return ok(pairIn(book, institutions, { type: 'netting_agreed', ...said, windowId }));
}

/** Either of the two takes its word back: what was netted apart is closed, and later settlements fall into the multilateral window. */
export function endNetting(book: Book, { institutionId, counterpartyId }: NettingRequest): Result<undefined, Refusal> {
  const institutions = pairOf(institutionId, counterpartyId);
  const pair = book.netting.get().pairs[pairKey(institutions)];
  if (pair === undefined) {
    const message = `${institutionId} and ${counterpartyId} haven't agreed to net their settlements`;
    return err(refusal('not_found', 'UNKNOWN_PAIR', message));
  }
  if (pair.status === 'agreed') close(book, { windowId: pair.window.windowId, by: institutionId, reason: ENDED });
  book.netting.record({ type: 'netting_ended', at: book.now, institutions, by: institutionId });
  return ok(undefined);
}

function begin(book: Book, windowId: string, scope: WindowScope): KnownWindow {
  const at = book.now;
  const window = book.windows.record(windowId, { type: 'window_opened', at, windowId, scope });
  book.positions.open(windowId);
  book.capped.open(windowId);
  book.netting.record({ type: 'window_changed', at, scope, windowId });
  return known(window);
}

function close(book: Book, { windowId, by, reason }: Omit<WindowClosing, 'nextWindowId'>): KnownWindow {
  const positions = book.positions.of(windowId);
  const at = book.now;
  book.windows.record(
    windowId,
    { type: 'window_closing', at, by, reason },
    { type: 'window_closed', at, totals: totalsOf(positions), positions },
  );
  // On the chain nothing but satoshi is paid.
  const inSats = positions.filter(({ unit }) => unit === BTC);
  const payouts = beginNetPayouts(book, windowId, inSats);
  const debtors = openObligations(book, windowId, positions);
  return known(book.windows.record(windowId, { type: 'window_settling', at, payouts, debtors }));
}

function pairIn(book: Book, institutions: Pair, event: NettingEvent): NettingPair {
  const pair = book.netting.record(event).pairs[pairKey(institutions)];
  assert(pair !== undefined, 'the pair is there');
  return pair;
}

function known(window: ReturnType<Book['windows']['get']>): KnownWindow {
  assert(window.status !== 'none', 'the window is there');
  return window;
}
