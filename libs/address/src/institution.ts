import { type Aggregate, assertNever } from '@finality/kernel';

/** An institution as its owner (settlement) publishes it: who may be given addresses. */
export type InstitutionStatus = 'active' | 'frozen' | 'closed';

export interface InstitutionState {
  readonly status: InstitutionStatus | 'unknown';
}

export interface InstitutionNoted {
  readonly type: 'institution_noted';
  readonly institutionId: string;
  readonly status: InstitutionStatus;
}

export type InstitutionEvent = InstitutionNoted;

export const institutionAggregate: Aggregate<InstitutionState, InstitutionEvent> = {
  name: 'institution',
  initialState: { status: 'unknown' },
  evolve(_state, event) {
    switch (event.type) {
      case 'institution_noted':
        return { status: event.status };
      default:
        return assertNever(event.type, 'institution event');
    }
  },
};
