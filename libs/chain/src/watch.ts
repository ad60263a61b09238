import { accept, type Aggregate, assertNever, type Decision } from '@finality/kernel';
import type { Branch } from '@finality/bitcoin';

/** One past the highest index, per branch. */
export interface Below {
  readonly external: number;
  readonly internal: number;
}

/** How far ahead the scripts of a wallet are watched: wanted, then watched, then (what came before it found too) acknowledged. */
export interface WatchState {
  readonly walletId: string;
  readonly custodial: boolean;
  /** Descriptors with checksum. */
  readonly external: string;
  readonly internal: string;
  readonly birthdayHeight: number;
  readonly wanted: Below;
  readonly watched: Below;
  readonly acknowledged: Below;
  /** An index past those watched has been issued: what was paid to it may have been missed. Only after a loss of this state. */
  readonly late: boolean;
  /** Blocks that were connected before the scripts were watched and still have to be read for them. */
  readonly rescan: { readonly next: number; readonly through: number } | null;
}

export type WatchEvent =
  | {
      readonly type: 'wallet_added';
      readonly walletId: string;
      readonly custodial: boolean;
      readonly external: string;
      readonly internal: string;
      readonly birthdayHeight: number;
      readonly wanted: Below;
    }
  | { readonly type: 'watch_wanted'; readonly wanted: Below; readonly late: boolean }
  | { readonly type: 'scripts_watched'; readonly watched: Below; readonly rescan: WatchState['rescan'] }
  | { readonly type: 'blocks_rescanned'; readonly next: number }
  | { readonly type: 'watch_acknowledged'; readonly acknowledged: Below };

export type WatchCommand =
  | {
      readonly kind: 'add_wallet';
      readonly walletId: string;
      readonly custodial: boolean;
      readonly external: string;
      readonly internal: string;
      readonly birthdayHeight: number;
      readonly ahead: number;
    }
  /** An index has been issued, or was seen on the chain. */
  | { readonly kind: 'index_used'; readonly branch: Branch; readonly index: number; readonly ahead: number }
  | {
      readonly kind: 'scripts_stored';
      readonly watched: Below;
      readonly rescanFrom: number;
      readonly tipHeight: number;
    }
  /** All blocks below `next` have been read again. */
  | { readonly kind: 'rescanned'; readonly next: number };

const NONE: Below = { external: 0, internal: 0 };

export const watch: Aggregate<WatchState, WatchEvent> = {
  name: 'watch',
  initialState: {
    walletId: '',
    custodial: false,
    external: '',
    internal: '',
    birthdayHeight: 0,
    wanted: NONE,
    watched: NONE,
    acknowledged: NONE,
    late: false,
    rescan: null,
  },
  evolve(state, event) {
    switch (event.type) {
      case 'wallet_added': {
        const { walletId, custodial, external, internal, birthdayHeight, wanted } = event;
        return { ...state, walletId, custodial, external, internal, birthdayHeight, wanted };
      }
      case 'watch_wanted':
        return { ...state, wanted: event.wanted, late: state.late || event.late };
      case 'scripts_watched':
        return { ...state, watched: event.watched, rescan: event.rescan, late: false };
      case 'blocks_rescanned': {
        const done = state.rescan === null || event.next > state.rescan.through;
        return { ...state, rescan: done ? null : { ...state.rescan!, next: event.next } };
      }
      case 'watch_acknowledged':
        return { ...state, acknowledged: event.acknowledged };
      default:
        return assertNever(event, 'watch event');
    }
  },
};

/** Never refuses: what has been done already changes nothing. */
export function decideWatch(command: WatchCommand, state: WatchState): Decision<WatchEvent, never> {
  switch (command.kind) {
    case 'add_wallet': {
      if (state.walletId !== '') return accept();
      const { walletId, custodial, external, internal, birthdayHeight, ahead } = command;
      // Indices may have been issued before we hear of the wallet: nothing is promised between topics.
      const wanted = {
        external: Math.max(ahead, state.wanted.external),
        internal: Math.max(ahead, state.wanted.internal),
      };
      return accept<WatchEvent>({
        type: 'wallet_added',
        walletId,
        custodial,
        external,
        internal,
        birthdayHeight,
        wanted,
      });
    }
    case 'index_used': {
      const branch = command.branch === 0 ? 'external' : 'internal';
      // Extended by halves, so that it happens seldom and long before an index is needed.
      if (command.index + command.ahead / 2 < state.wanted[branch]) return accept();
      const wanted = { ...state.wanted, [branch]: command.index + 1 + command.ahead };
      const late = command.index >= state.watched[branch] && state.walletId !== '';
      return accept<WatchEvent>({ type: 'watch_wanted', wanted, late });
    }
    case 'scripts_stored':
      return scriptsStored(command, state);
    case 'rescanned': {
      if (state.rescan === null || command.next <= state.rescan.next) return accept();
      const event: WatchEvent = { type: 'blocks_rescanned', next: command.next };
      return accept(event, ...acknowledgement(watch.evolve(state, event)));
    }
    default:
      return assertNever(command, 'watch command');
  }
}

/** Nobody can have paid to indices that weren't acknowledged; only the first ones, and those told of late, may have a past. */
function scriptsStored(
  command: Extract<WatchCommand, { kind: 'scripts_stored' }>,
  state: WatchState,
): Decision<WatchEvent, never> {
  const watched = {
    external: Math.max(state.watched.external, command.watched.external),
    internal: Math.max(state.watched.internal, command.watched.internal),
  };
  if (sameBelow(watched, state.watched)) return accept();
  const hasPast = (state.late || sameBelow(state.watched, NONE)) && command.rescanFrom <= command.tipHeight;
  const rescan = hasPast ? { next: command.rescanFrom, through: command.tipHeight } : state.rescan;
  const event: WatchEvent = { type: 'scripts_watched', watched, rescan };
  return accept(event, ...acknowledgement(watch.evolve(state, event)));
}

function acknowledgement(state: WatchState): readonly WatchEvent[] {
  if (state.rescan !== null || sameBelow(state.acknowledged, state.watched)) return [];
  return [{ type: 'watch_acknowledged', acknowledged: state.watched }];
}

const sameBelow = (a: Below, b: Below): boolean => a.external === b.external && a.internal === b.internal;
