import type { ServiceProgram } from '@finality/service';
import { type SignerConfig, signerConfig } from './config.ts';
import { signerService } from './service.ts';
import type { SignerEnv } from './signer.module.ts';

export const signerProgram: ServiceProgram<SignerConfig, SignerEnv> = {
  blueprint: signerService,
  settings: signerConfig,
  env: (base, { config }) => ({ ...base, config }),
};
