import { ledgerV1, signingV1 } from '@finality/contracts';
import type { ServiceProgram } from '@finality/service';
import { type ReconciliationConfig, reconciliationConfig } from './config.ts';
import type { ReconciliationEnv } from './reconciliation.module.ts';
import { reconciliationService } from './service.ts';

export const reconciliationProgram: ServiceProgram<ReconciliationConfig, ReconciliationEnv> = {
  blueprint: reconciliationService,
  settings: reconciliationConfig,
  calls: ['settlement', 'signer'],
  env: (base, { config, log, peer }) => ({
    ...base,
    config,
    log,
    ledger: peer<ledgerV1.InternalLedgerServiceServer>('settlement', ledgerV1.InternalLedgerServiceService),
    signer: peer<signingV1.SigningServiceServer>('signer', signingV1.SigningServiceService),
  }),
};
