import { accept, type Aggregate, assertNever, type Decision, type Instant } from '@finality/kernel';
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
  /** 0: what `createdAt` says. */
  readonly birthdayHeight: number;
  readonly createdAt: Instant | null;
  readonly wanted: Below;
  readonly watched: Below;
  readonly acknowledged: Below;
  /** Height from which on blocks may pay to scripts that are wanted and not watched yet; null when nobody can have paid to them. */
  readonly lateFrom: number | null;
  /** Blocks that were connected before the scripts were watched and still have to be read for them: from `next` to the tip. */
  readonly rescan: Rescan | null;
}

export interface Rescan {
  readonly next: number;
  /** Height of the tip when it was last looked at. */
  readonly through: number;
}

export type WatchEvent =
  | {
      readonly type: 'wallet_added';
      readonly walletId: string;
      readonly custodial: boolean;
      readonly external: string;
      readonly internal: string;
      readonly birthdayHeight: number;
      readonly createdAt: Instant | null;
      readonly wanted: Below;
    }
  | { readonly type: 'watch_wanted'; readonly wanted: Below; readonly lateFrom: number | null }
  | { readonly type: 'scripts_watched'; readonly watched: Below; readonly rescan: Rescan | null }
  | { readonly type: 'blocks_rescanned'; readonly rescan: Rescan | null }
  | { readonly type: 'watch_acknowledged'; readonly acknowledged: Below };

export type WatchCommand =
  | {
      readonly kind: 'add_wallet';
      readonly walletId: string;
      readonly custodial: boolean;
      readonly external: string;
      readonly internal: string;
      readonly birthdayHeight: number;
      readonly createdAt: Instant | null;
      readonly ahead: number;
    }
  /** An index has been issued. */
  | { readonly kind: 'index_issued'; readonly branch: Branch; readonly index: number; readonly ahead: number }
  /** An index was paid to, in a block of that height or in the mempool before it. */
  | {
      readonly kind: 'index_paid';
      readonly branch: Branch;
      readonly index: number;
      readonly height: number;
      readonly ahead: number;
    }
  | {
      readonly kind: 'scripts_stored';
      readonly watched: Below;
      readonly rescanFrom: number;
      readonly tipHeight: number;
    }
  /** All blocks below `next` have been read again. */
  | { readonly kind: 'rescanned'; readonly next: number; readonly tipHeight: number };

const NONE: Below = { external: 0, internal: 0 };

export const watch: Aggregate<WatchState, WatchEvent> = {
  name: 'watch',
  initialState: {
    walletId: '',
    custodial: false,
    external: '',
    internal: '',
    birthdayHeight: 0,
    createdAt: null,
    wanted: NONE,
    watched: NONE,
    acknowledged: NONE,
    lateFrom: null,
    rescan: null,
  },
  evolve(state, event) {
    switch (event.type) {
      case 'wallet_added': {
        const { type: _, ...wallet } = event;
        return { ...state, ...wallet };
      }
      case 'watch_wanted':
        return { ...state, wanted: event.wanted, lateFrom: lower(state.lateFrom, event.lateFrom) };
      case 'scripts_watched':
        return { ...state, watched: event.watched, rescan: event.rescan, lateFrom: null };
      case 'blocks_rescanned':
        return { ...state, rescan: event.rescan };
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
      const { kind: _, ahead, ...wallet } = command;
      // Indices may have been issued before we hear of the wallet: nothing is promised between topics.
      const wanted = {
        external: Math.max(ahead, state.wanted.external),
        internal: Math.max(ahead, state.wanted.internal),
      };
      return accept<WatchEvent>({ type: 'wallet_added', ...wallet, wanted });
    }
    case 'index_issued': {
      // Only after a loss of this state is one issued that isn't watched: what was paid to it since then may have been missed.
      const isLate = command.index >= state.watched[branchName(command)] && state.walletId !== '';
      return accept(...extension(command, state, isLate ? 0 : null));
    }
    case 'index_paid':
      // Whoever holds the keys hands out addresses without asking us: the next ones may have been paid in the same block. Ours wait for us.
      return accept(...extension(command, state, state.custodial ? null : command.height));
    case 'scripts_stored':
      return scriptsStored(command, state);
    case 'rescanned': {
      const { next, tipHeight } = command;
      if (state.rescan === null || next <= state.rescan.next) return accept();
      // Blocks that came meanwhile may spend what has only now been found.
      const event: WatchEvent = {
        type: 'blocks_rescanned',
        rescan: next > tipHeight ? null : { next, through: tipHeight },
      };
      return accept(event, ...acknowledgement(watch.evolve(state, event)));
    }
    default:
      return assertNever(command, 'watch command');
  }
}

/** Extended by halves, so that it happens seldom and long before an index is needed. */
function extension(
  used: { readonly branch: Branch; readonly index: number; readonly ahead: number },
  state: WatchState,
  lateFrom: number | null,
): readonly WatchEvent[] {
  const branch = branchName(used);
  if (used.index + used.ahead / 2 < state.wanted[branch]) return [];
  const wanted = { ...state.wanted, [branch]: used.index + 1 + used.ahead };
  return [{ type: 'watch_wanted', wanted, lateFrom }];
}

const branchName = ({ branch }: { readonly branch: Branch }): keyof Below => (branch === 0 ? 'external' : 'internal');

const lower = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.min(a, b);

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
  const { tipHeight, rescanFrom } = command;
  const isNew = sameBelow(state.watched, NONE);
  const from = isNew ? rescanFrom : state.lateFrom === null ? null : Math.max(state.lateFrom, rescanFrom);
  const next = lower(from, state.rescan?.next ?? null);
  const rescan = next !== null && next <= tipHeight ? { next, through: tipHeight } : null;
  const event: WatchEvent = { type: 'scripts_watched', watched, rescan };
  return accept(event, ...acknowledgement(watch.evolve(state, event)));
}

function acknowledgement(state: WatchState): readonly WatchEvent[] {
  if (state.rescan !== null || sameBelow(state.acknowledged, state.watched)) return [];
  return [{ type: 'watch_acknowledged', acknowledged: state.watched }];
}

const sameBelow = (a: Below, b: Below): boolean => a.external === b.external && a.internal === b.internal;
