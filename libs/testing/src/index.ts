export * from './database.ts';
export * from './test-runtime.ts';
