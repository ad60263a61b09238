import type { ServiceProgram } from '@finality/service';
import type { z } from 'zod';
import { riskConfig, riskSettings } from './config.ts';
import type { RiskEnv } from './risk.module.ts';
import { riskService } from './service.ts';

export const riskProgram: ServiceProgram<z.output<typeof riskSettings>, RiskEnv> = {
  blueprint: riskService,
  settings: riskSettings,
  env: (base, { config }) => ({ ...base, config: riskConfig(config) }),
};
