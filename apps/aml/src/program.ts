import type { ServiceProgram } from '@finality/service';
import type { z } from 'zod';
import type { AmlEnv } from './aml.module.ts';
import { amlConfig, amlSettings } from './config.ts';
import { amlService } from './service.ts';

export const amlProgram: ServiceProgram<z.output<typeof amlSettings>, AmlEnv> = {
  blueprint: amlService,
  settings: amlSettings,
  env: (base, { config }) => ({ ...base, config: amlConfig(config) }),
};
