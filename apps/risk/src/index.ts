export { type LabelListConfig, type RiskConfig, riskConfig, riskSettings } from './config.ts';
export { type RiskEnv, RiskModule } from './risk.module.ts';
export { riskProgram } from './program.ts';
export { riskService } from './service.ts';
