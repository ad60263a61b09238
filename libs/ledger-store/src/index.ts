export * from './balances.ts';
export * from './binary-arrays.ts';
export * from './ddl.ts';
export * from './entries.ts';
export * from './load.ts';
export * from './save.ts';
export * from './segments.ts';
export * from './verify.ts';
