export * from './rules.ts';
export * from './verdict.ts';
