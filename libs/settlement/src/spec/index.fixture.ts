export { approved, assigned, funded, given } from './given.fixture.ts';
export * from './action-weights.fixture.ts';
export * from './actions.fixture.ts';
export { EUR, USD } from './exchange.fixture.ts';
export { checkAtRest } from './at-rest.fixture.ts';
export * from './commands.fixture.ts';
export * from './invariants.fixture.ts';
export * from './limits.fixture.ts';
export * from './memory-book.fixture.ts';
export * from './netting-actions.fixture.ts';
export * from './parties.fixture.ts';
export { journalOf } from './restore.fixture.ts';
export { beginExchanging, stockUp } from './unit-actions.fixture.ts';
export * from './unit-bounds.fixture.ts';
export { UnlinkedLedger } from './unlinked-ledger.fixture.ts';
export * from './world.fixture.ts';
export {
  type Chain,
  type Confirmed,
  confirmedIn,
  type LookedUp,
  sha,
  type WorldBlock,
  type WorldOutput,
  type WorldTx,
} from './world-chain.fixture.ts';
