import { type Aggregate, assert, assertNever, type Instant } from '@finality/kernel';
import type { Unit } from '@finality/ledger';
import { capKey, type DebitCaps } from './debit-cap.ts';
import type { Leg } from './unit-terms.ts';

/**
 * Whose settlements fall into a window: all CENTRALIZED ones, each participant against the central counterparty; or those of a pair that has
 * agreed to net them by itself.
 */
export type WindowScope =
  { readonly kind: 'multilateral' } | { readonly kind: 'bilateral'; readonly institutions: Pair };

/** In the order of their ids. */
export type Pair = readonly [string, string];

/** What a participant has paid and been paid in one unit by the settlements of one window. Its net position is the second less the first. */
export interface Position {
  readonly institutionId: string;
  readonly unit: Unit;
  readonly paid: bigint;
  readonly received: bigint;
  readonly paidCount: number;
  readonly receivedCount: number;
}

/** Of all that the settlements of a window have paid in one unit; an exchange is one of both its units. */
export interface WindowTotals {
  readonly unit: Unit;
  readonly participants: number;
  readonly settlements: number;
  readonly gross: bigint;
  /** What net payers pay and net receivers get: what is left of the gross. */
  readonly net: bigint;
}

/** An institution that owes what it had drawn in the unit when a window closed. */
export interface Debtor {
  readonly institutionId: string;
  readonly unit: Unit;
}

export type WindowEvent = { readonly at: Instant } & (
  | { readonly type: 'window_opened'; readonly windowId: string; readonly scope: WindowScope }
  /** Whatever is settled from here on in the log falls into the next window of its kind. */
  | { readonly type: 'window_closing'; readonly by: string; readonly reason: string }
  /** Positions of all participants, for good, in the order of their ids, and of their units; totals in the order of the units. */
  | {
      readonly type: 'window_closed';
      readonly totals: readonly WindowTotals[];
      readonly positions: readonly Position[];
    }
  /** With the settlements by which participants are paid out, and who owes something; where there are neither, it is settled. */
  | { readonly type: 'window_settling'; readonly payouts: readonly string[]; readonly debtors: readonly Debtor[] }
  /** Paid, or never will be; or a reorg has made that uncertain. */
  | { readonly type: 'net_payout_ended' | 'net_payout_reopened'; readonly settlementId: string }
  /** Paid, or dealt with as a default, or left to people. */
  | ({ readonly type: 'obligation_ended' } & Debtor)
);

interface Opened {
  readonly windowId: string;
  readonly scope: WindowScope;
  readonly openedAt: Instant;
}

interface Closing extends Opened {
  readonly closingAt: Instant;
  readonly by: string;
  readonly reason: string;
}

interface Closed extends Closing {
  readonly closedAt: Instant;
  readonly totals: readonly WindowTotals[];
}

interface Settling extends Closed {
  /** Settlements that pay participants out. */
  readonly payouts: readonly string[];
  /** Those that haven't ended. */
  readonly unpaid: readonly string[];
  /** Who owes something, and hasn't paid all of it. */
  readonly debtors: readonly Debtor[];
}

/** REQUIREMENTS S3: `open → closing → closed → settling → settled` once all is paid out and collected; back to `settling` when a reorg takes a payout back. */
export type NettingWindow =
  | { readonly status: 'none' }
  | ({ readonly status: 'open' } & Opened)
  | ({ readonly status: 'closing' } & Closing)
  | ({ readonly status: 'closed' } & Closed)
  | ({ readonly status: 'settling' | 'settled' } & Settling);

export type KnownWindow = Exclude<NettingWindow, { status: 'none' }>;

export const windowAggregate: Aggregate<NettingWindow, WindowEvent> = {
  name: 'window',
  initialState: { status: 'none' },
  evolve(state, event) {
    const { at } = event;
    switch (event.type) {
      case 'window_opened':
        assert(state.status === 'none', 'a window opens once');
        return { status: 'open', windowId: event.windowId, scope: event.scope, openedAt: at };
      case 'window_closing':
        assert(state.status === 'open', `a window that is ${state.status} can't close`);
        return { ...state, status: 'closing', closingAt: at, by: event.by, reason: event.reason };
      case 'window_closed':
        assert(state.status === 'closing', `a window closes from closing, not from ${state.status}`);
        return { ...state, status: 'closed', closedAt: at, totals: event.totals };
      case 'window_settling':
        assert(state.status === 'closed', `a window settles once it is closed, not while ${state.status}`);
        return settling({ ...state, payouts: event.payouts, unpaid: event.payouts, debtors: event.debtors });
      case 'net_payout_ended':
      case 'net_payout_reopened': {
        assert('payouts' in state, `a window that is ${state.status} pays nobody`);
        const others = state.unpaid.filter((id) => id !== event.settlementId);
        return settling({
          ...state,
          unpaid: event.type === 'net_payout_ended' ? others : [...others, event.settlementId],
        });
      }
      case 'obligation_ended': {
        assert('debtors' in state, `nobody owes for a window that is ${state.status}`);
        return settling({ ...state, debtors: state.debtors.filter((debtor) => !isSame(debtor, event)) });
      }
      default:
        return assertNever(event, 'window event');
    }
  },
};

const isSame = (a: Debtor, b: Debtor): boolean => a.institutionId === b.institutionId && a.unit === b.unit;

const settling = (state: Settling): NettingWindow => ({
  ...state,
  status: state.unpaid.length === 0 && state.debtors.length === 0 ? 'settled' : 'settling',
});

/** The two in the order of their ids. */
export const pairOf = (a: string, b: string): Pair => (a < b ? [a, b] : [b, a]);

/** The window that settlements fall into now. */
export interface CurrentWindow {
  readonly windowId: string;
  readonly openedAt: Instant;
}

/** Two institutions, of which one wants their settlements netted apart, or both do. */
export type NettingPair = { readonly institutions: Pair } & (
  { readonly status: 'proposed'; readonly by: string } | { readonly status: 'agreed'; readonly window: CurrentWindow }
);

export type NettingEvent = { readonly at: Instant } & (
  | { readonly type: 'netting_proposed' | 'netting_ended'; readonly institutions: Pair; readonly by: string }
  | {
      readonly type: 'netting_agreed';
      readonly institutions: Pair;
      readonly by: string;
      readonly windowId: string;
    }
  /** What an institution may owe in a window in the unit from here on in the log; missing: what everybody may. */
  | {
      readonly type: 'debit_cap_set';
      readonly institutionId: string;
      readonly unit: Unit;
      readonly cap?: bigint;
      readonly by: string;
      readonly confirmedBy?: string;
      readonly reason: string;
    }
  /** The first of its kind, or the one after the one that is closing. */
  | { readonly type: 'window_changed'; readonly scope: WindowScope; readonly windowId: string }
);

/** Which windows settlements fall into now, and who may owe how much there. Every batch that may settle reads it: it stays small. */
export interface Netting {
  /** Missing until the first window is opened: without netting, CENTRALIZED settlements fall into none. */
  readonly multilateral?: CurrentWindow;
  /** By {@link pairKey}. */
  readonly pairs: Readonly<Record<string, NettingPair>>;
  /** Of clearing balances that have one of their own. */
  readonly caps: DebitCaps;
}

export const pairKey = ([a, b]: Pair): string => `${a} ${b}`;

export const nettingAggregate: Aggregate<Netting, NettingEvent> = {
  name: 'netting',
  initialState: { pairs: {}, caps: {} },
  evolve(state, event) {
    const { at } = event;
    switch (event.type) {
      case 'netting_proposed': {
        const { institutions, by } = event;
        assert(state.pairs[pairKey(institutions)] === undefined, 'netting of a pair is proposed once');
        return withPair(state, { institutions, status: 'proposed', by });
      }
      case 'netting_agreed': {
        const { institutions, windowId } = event;
        assert(state.pairs[pairKey(institutions)]?.status === 'proposed', 'what one proposes, the other agrees to');
        return withPair(state, { institutions, status: 'agreed', window: { windowId, openedAt: at } });
      }
      case 'netting_ended': {
        const { [pairKey(event.institutions)]: ended, ...pairs } = state.pairs;
        assert(ended !== undefined, 'only netting that was proposed ends');
        return { ...state, pairs };
      }
      case 'debit_cap_set': {
        const key = capKey(event.institutionId, event.unit);
        const { [key]: _before, ...caps } = state.caps;
        return { ...state, caps: event.cap === undefined ? caps : { ...caps, [key]: event.cap } };
      }
      case 'window_changed': {
        const window = { windowId: event.windowId, openedAt: at };
        if (event.scope.kind === 'multilateral') return { ...state, multilateral: window };
        return withPair(state, { institutions: event.scope.institutions, status: 'agreed', window });
      }
      default:
        return assertNever(event, 'netting event');
    }
  },
};

const withPair = (state: Netting, pair: NettingPair): Netting => ({
  ...state,
  pairs: { ...state.pairs, [pairKey(pair.institutions)]: pair },
});

/**
 * The window into which a settlement with these legs falls now, as a whole: that of a pair, where it moves money between those two only. An exchange that has three parties
 * is netted with everybody's.
 */
export function windowOf(netting: Netting, [first, ...others]: readonly Leg[]): CurrentWindow | undefined {
  assert(first !== undefined, 'a settlement has a leg');
  const { from, to } = first;
  const isTheirs = others.every((leg) => (leg.from === from && leg.to === to) || (leg.from === to && leg.to === from));
  return isTheirs ? windowBetween(netting, from, to) : netting.multilateral;
}

/** The window into which whatever these two pay each other falls now. */
export function windowBetween(netting: Netting, a: string, b: string): CurrentWindow | undefined {
  const pair = netting.pairs[pairKey(pairOf(a, b))];
  return pair?.status === 'agreed' ? pair.window : netting.multilateral;
}
