export * from './chain-index.ts';
export * from './compare.ts';
export * from './records.ts';
export * from './report.ts';
