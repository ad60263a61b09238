export * from './institution.ts';
export * from './wallet.ts';
export * from './wallet.decide.ts';
export * from './wallet.errors.ts';
