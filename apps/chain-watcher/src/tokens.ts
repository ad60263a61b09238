/** Nest token of the event store. */
export const STORE = Symbol('ChainWatcherStore');
