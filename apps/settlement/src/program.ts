import { addressV1, signingV1 } from '@finality/contracts';
import { type AssembledService, defineConfig, type ServiceProgram, setting } from '@finality/service';
import type { z } from 'zod';
import { settlementConfig, settlementSettings } from './config.ts';
import type { SettlementEnv } from './env.ts';
import { readFirstKeys } from './first-keys.ts';
import type { Bootstrap } from './inbound/bootstrap.ts';
import { settlementService } from './service.ts';
import { BOOTSTRAP } from './settlement.module.ts';

const settings = defineConfig({
  ...settlementSettings.shape,
  FIRST_KEYS_FILE: setting
    .text()
    .optional()
    .describe(
      'JSON file with the API keys that exist from the start, hashed; nobody could issue the first operator’s.',
    ),
});

export const settlementProgram: ServiceProgram<z.output<typeof settings>, SettlementEnv> = {
  blueprint: settlementService,
  settings,
  calls: ['address-issuer', 'signer'],
  env: (base, { config, peer }) => ({
    ...base,
    config: settlementConfig(config),
    addresses: peer<addressV1.InternalAddressServiceServer>('address-issuer', addressV1.InternalAddressServiceService),
    signer: peer<signingV1.SigningServiceServer>('signer', signingV1.SigningServiceService),
  }),
  onLeading: async (service: AssembledService, { FIRST_KEYS_FILE: file }) => {
    if (file === undefined) return;
    const bootstrap = service.get<Bootstrap>(BOOTSTRAP);
    for (const key of await readFirstKeys(file)) await bootstrap.registerKey(key);
  },
};
