import { describe, expect, it } from 'vitest';
import { decideWatch, watch, type WatchCommand, type WatchEvent, type WatchState } from './watch.ts';

const add: WatchCommand = {
  kind: 'add_wallet',
  walletId: 'w',
  custodial: true,
  external: 'e',
  internal: 'i',
  birthdayHeight: 50,
  ahead: 10,
};
const used = (index: number, branch: 0 | 1 = 0): WatchCommand => ({ kind: 'index_used', branch, index, ahead: 10 });
const stored = (external: number, internal: number, rescanFrom = 50, tipHeight = 40): WatchCommand => {
  return { kind: 'scripts_stored', watched: { external, internal }, rescanFrom, tipHeight };
};

function given(...commands: readonly WatchCommand[]): {
  when(command: WatchCommand): readonly WatchEvent[];
  state: WatchState;
} {
  let state = watch.initialState;
  const handle = (command: WatchCommand): readonly WatchEvent[] => {
    const decision = decideWatch(command, state);
    const events = decision.kind === 'accepted' ? decision.events : [];
    state = events.reduce(watch.evolve, state);
    return events;
  };
  for (const command of commands) handle(command);
  return {
    when: handle,
    get state() {
      return state;
    },
  };
}

const typesOf = (events: readonly WatchEvent[]): readonly string[] => events.map(({ type }) => type);

describe('a new wallet', () => {
  it('is wanted as far ahead as configured, once', () => {
    expect(typesOf(given().when(add))).toEqual(['wallet_added']);
    expect(given(add).state.wanted).toEqual({ external: 10, internal: 10 });
    expect(given(add).when(add)).toEqual([]);
  });

  it('further when addresses were issued before we heard of it', () => {
    expect(given(used(30), used(12, 1), add).state.wanted).toEqual({ external: 41, internal: 23 });
  });

  it('is acknowledged as soon as its scripts are there, if it has no past', () => {
    const events = given(add).when(stored(10, 10));
    expect(typesOf(events)).toEqual(['scripts_watched', 'watch_acknowledged']);
    expect(given(add, stored(10, 10)).state.acknowledged).toEqual({ external: 10, internal: 10 });
    expect(given(add, stored(10, 10)).when(stored(10, 10))).toEqual([]);
  });

  it('otherwise once the blocks since its birthday have been read', () => {
    const late = [add, stored(10, 10, 50, 60)];
    expect(given(...late).state.rescan).toEqual({ next: 50, through: 60 });
    expect(given(...late).state.acknowledged).toEqual({ external: 0, internal: 0 });
    expect(typesOf(given(...late).when({ kind: 'rescanned', next: 60 }))).toEqual(['blocks_rescanned']);
    expect(typesOf(given(...late).when({ kind: 'rescanned', next: 61 }))).toEqual([
      'blocks_rescanned',
      'watch_acknowledged',
    ]);
    expect(given(...late, { kind: 'rescanned', next: 61 }).when({ kind: 'rescanned', next: 61 })).toEqual([]);
  });
});

describe('an index that is used', () => {
  it('extends its branch when it comes within half of what is ahead', () => {
    expect(given(add, stored(10, 10)).when(used(4))).toEqual([]);
    expect(given(add, stored(10, 10), used(5)).state.wanted).toEqual({ external: 16, internal: 10 });
    expect(given(add, stored(10, 10), used(9, 1)).state.wanted).toEqual({ external: 10, internal: 20 });
  });

  it('has no past, so the extension is acknowledged at once', () => {
    const events = given(add, stored(10, 10), used(5)).when(stored(16, 10, 50, 60));
    expect(typesOf(events)).toEqual(['scripts_watched', 'watch_acknowledged']);
  });

  it('unless we hear of it too late: then blocks are read again', () => {
    const late = given(add, stored(10, 10), used(25), stored(36, 10, 50, 60));
    expect(late.state.rescan).toEqual({ next: 50, through: 60 });
    expect(late.state.acknowledged).toEqual({ external: 10, internal: 10 });
    expect(late.state.late).toBe(false);
  });
});
