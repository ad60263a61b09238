export * from './account.ts';
export * from './epoch.ts';
export type * from './facts.ts';
export * from './lineage.ts';
export * from './policy.ts';
export * from './request.ts';
export { SIGNING_RULES, type Refused, type SigningRule } from './rules.ts';
