export * from './database.ts';
export * from './schema-copy.ts';
export * from './test-runtime.ts';
