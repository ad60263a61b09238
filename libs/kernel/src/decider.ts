/** State as a fold of its events: what a store needs to keep an aggregate. State and events are JSON values plus `bigint`. */
export interface Aggregate<State, Event extends { readonly type: string }> {
  /** Lower-case noun; the stream of an instance is `<name>/<id>`. */
  readonly name: string;
  readonly initialState: State;
  /** Total over `Event`: an unknown type throws (`assertNever`). */
  evolve(state: State, event: Event): State;
}

/** A state machine as three pure things (STYLE 1): no clock, no ids, no I/O; what it needs arrives in the command. */
export interface Decider<Command, State, Event extends { readonly type: string }, Refused> extends Aggregate<
  State,
  Event
> {
  decide(command: Command, state: State): Decision<Event, Refused>;
}

export type Decision<Event, Refused> =
  | { readonly kind: 'accepted'; readonly events: readonly Event[] }
  | { readonly kind: 'refused'; readonly refused: Refused };

export const accept = <Event>(
  ...events: readonly Event[]
): { readonly kind: 'accepted'; readonly events: readonly Event[] } => ({ kind: 'accepted', events });

export const refuse = <Refused>(refused: Refused): { readonly kind: 'refused'; readonly refused: Refused } => ({
  kind: 'refused',
  refused,
});
