export { type SettlementConfig, settlementConfig, settlementSettings } from './config.ts';
export type { SettlementEnv } from './env.ts';
export { Bootstrap, type FirstKey } from './inbound/bootstrap.ts';
export { BOOTSTRAP, type LedgerCutPort } from './settlement.module.ts';
export { settlementProgram } from './program.ts';
export { settlementService } from './service.ts';
export { RecoveryGate } from './recovery-gate.ts';
