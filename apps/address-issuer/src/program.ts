import { signingV1 } from '@finality/contracts';
import type { ServiceProgram } from '@finality/service';
import type { AddressIssuerEnv } from './address-issuer.module.ts';
import { type AddressIssuerConfig, addressIssuerConfig } from './config.ts';
import { addressIssuerService } from './service.ts';

export const addressIssuerProgram: ServiceProgram<AddressIssuerConfig, AddressIssuerEnv> = {
  blueprint: addressIssuerService,
  settings: addressIssuerConfig,
  calls: ['signer'],
  env: (base, { config, peer }) => ({
    ...base,
    config,
    signer: peer<signingV1.SigningServiceServer>('signer', signingV1.SigningServiceService),
  }),
};
