export * from './address.ts';
export * from './amount.ts';
export * from './block.ts';
export type * from './fault.ts';
export * from './fees.ts';
export * from './hex.ts';
export * from './ids.ts';
export * from './network.ts';
export * from './transaction.ts';
