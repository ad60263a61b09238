export { reconciliationConfig, type ReconciliationConfig } from './config.ts';
export { type ReconciliationEnv, ReconciliationModule } from './reconciliation.module.ts';
export type { JournalPort, LedgerPort } from './tokens.ts';
export { reconciliationProgram } from './program.ts';
export { reconciliationService } from './service.ts';
