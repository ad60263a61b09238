import { type Aggregate, assert, type Instant } from '@finality/kernel';

/** The settlement store was restored from an older copy: whoever still works on a copy of an earlier epoch gets no signature any more. */
export interface EpochRaised {
  readonly type: 'epoch_raised';
  readonly epoch: number;
  readonly raisedAt: Instant;
}

export interface EpochState {
  /** 0: never raised. */
  readonly raisedTo: number;
}

/** One stream: epochs that were begun, whether anything was signed in them or not. */
export const epochAggregate: Aggregate<EpochState, EpochRaised> = {
  name: 'epoch',
  initialState: { raisedTo: 0 },
  evolve: (state, event) => {
    assert(event.type === 'epoch_raised', `${event.type as string} isn't an event of an epoch`);
    assert(event.epoch > state.raisedTo, 'epochs only rise');
    return { raisedTo: event.epoch };
  },
};
