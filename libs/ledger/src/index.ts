export * from './account.ts';
export * from './chart.ts';
export type * from './ledger.errors.ts';
export * from './ledger-view.ts';
export * from './transfer.ts';
