export * from './challenge.ts';
export * from './challenge.decide.ts';
export * from './institution.ts';
export * from './wallet.ts';
export * from './wallet.decide.ts';
export * from './wallet.errors.ts';
