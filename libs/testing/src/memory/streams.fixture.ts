import type { Aggregate } from '@finality/kernel';

/** A stream as somebody read it. */
export interface Loaded<State> {
  readonly state: State;
  readonly version: number;
}

/** Streams of events in memory: an append says which version it was decided on. */
export class MemoryStreams<State, Event extends { readonly type: string }> {
  readonly #aggregate: Aggregate<State, Event>;
  /** Off: the last one to write wins. */
  readonly #hasAppendLock: boolean;
  readonly #streams = new Map<string, Loaded<State>>();

  constructor(aggregate: Aggregate<State, Event>, hasAppendLock: boolean) {
    this.#aggregate = aggregate;
    this.#hasAppendLock = hasAppendLock;
  }

  load(id: string): Loaded<State> {
    return this.#streams.get(id) ?? { state: this.#aggregate.initialState, version: 0 };
  }

  /** All events or none. @returns false: there is a later version than the one it was decided on */
  append(id: string, { state, version }: Loaded<State>, events: readonly Event[]): boolean {
    if (this.#hasAppendLock && version !== this.load(id).version) return false;
    const evolve = (at: State, event: Event): State => this.#aggregate.evolve(at, event);
    this.#streams.set(id, { state: events.reduce(evolve, state), version: version + events.length });
    return true;
  }
}
