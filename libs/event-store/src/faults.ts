/** Where tests and the simulation may make the store crash. */
export type FaultPoint = 'lock' | 'claims' | 'load' | 'handle' | 'write' | 'save' | 'commit';

/** A hook that throws is a crash at that point: the connection is dropped and every caller gets `StoreUnavailable`. */
export interface Faults {
  before?(point: FaultPoint): void | Promise<void>;
  after?(point: FaultPoint): void | Promise<void>;
}
