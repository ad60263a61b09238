export * from './amount-history.ts';
export * from './factors.ts';
export * from './label.ts';
export * from './label-file.ts';
export * from './merchant.ts';
export * from './rules.ts';
export * from './script-activity.ts';
export * from './verdict.ts';
