import { describe, expect, it } from 'vitest';
import { decideWatch, watch, type WatchCommand, type WatchEvent, type WatchState } from './watch.ts';

const add: WatchCommand = {
  kind: 'add_wallet',
  walletId: 'w',
  custodial: true,
  external: 'e',
  internal: 'i',
  birthdayHeight: 50,
  createdAt: null,
  ahead: 10,
};
const nonCustodial: WatchCommand = { ...add, custodial: false };
const used = (index: number, branch: 0 | 1 = 0): WatchCommand => ({ kind: 'index_issued', branch, index, ahead: 10 });
const paid = (index: number, height: number): WatchCommand => {
  return { kind: 'index_paid', branch: 0, index, height, ahead: 10 };
};
const rescanned = (next: number, tipHeight = 60): WatchCommand => ({ kind: 'rescanned', next, tipHeight });
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
    expect(typesOf(given(...late).when(rescanned(60)))).toEqual(['blocks_rescanned']);
    expect(typesOf(given(...late).when(rescanned(61)))).toEqual(['blocks_rescanned', 'watch_acknowledged']);
    expect(given(...late, rescanned(61)).when(rescanned(61))).toEqual([]);
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
    expect(late.state.lateFrom).toBeNull();
  });

  it('has a past when it was paid to and others hold the keys: from that block on', () => {
    const far = given(nonCustodial, stored(10, 10), paid(8, 58), paid(9, 57), paid(18, 59));
    expect(far.state.lateFrom).toBe(58);
    far.when(stored(29, 10, 50, 60));
    expect(far.state).toMatchObject({
      rescan: { next: 58, through: 60 },
      acknowledged: { external: 10, internal: 10 },
    });
    far.when(rescanned(61));
    expect(far.state).toMatchObject({ rescan: null, acknowledged: { external: 29, internal: 10 } });
  });

  it('and none when the keys are ours: nobody has been given the next ones', () => {
    expect(given(add, stored(10, 10), paid(8, 58), stored(19, 10, 50, 60)).state.rescan).toBeNull();
  });
});

describe('blocks that are read again', () => {
  it('are those up to the tip as it is at the end', () => {
    const scanning = given(add, stored(10, 10, 50, 60), rescanned(61, 63));
    expect(scanning.state).toMatchObject({ rescan: { next: 61, through: 63 }, acknowledged: { external: 0 } });
    expect(typesOf(scanning.when(rescanned(64, 63)))).toEqual(['blocks_rescanned', 'watch_acknowledged']);
  });

  it('begin with the first that any of the scripts needs', () => {
    const scanning = given(nonCustodial, stored(10, 10, 50, 60), rescanned(53), paid(9, 54), stored(20, 10, 50, 62));
    expect(scanning.state.rescan).toEqual({ next: 53, through: 62 });
  });
});
