export * from './account.ts';
export * from './event-store.contract.ts';
export * from './messaging.contract.ts';
export * from './store-bench.ts';
