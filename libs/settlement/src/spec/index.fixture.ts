export { approved, assigned, funded, given } from './given.fixture.ts';
export * from './action-weights.fixture.ts';
export * from './actions.fixture.ts';
export * from './commands.fixture.ts';
export * from './invariants.fixture.ts';
export * from './limits.fixture.ts';
export * from './memory-book.fixture.ts';
export * from './netting-actions.fixture.ts';
export * from './world.fixture.ts';
