import {
  addressV1,
  amlV1,
  institutionV1,
  ledgerV1,
  proposalV1,
  reconciliationV1,
  riskV1,
  type ServicePort,
  settlementV1,
} from '@finality/contracts';
import type { Runtime } from '@finality/kernel';
import { connectService } from '@finality/service';

/** The public API as somebody with an API key sees it. */
export interface Clients {
  readonly settlements: ServicePort<settlementV1.SettlementServiceServer>;
  readonly institutions: ServicePort<institutionV1.InstitutionServiceServer>;
  readonly proposals: ServicePort<proposalV1.ProposalServiceServer>;
  readonly addresses: ServicePort<addressV1.AddressServiceServer>;
  readonly ledger: ServicePort<ledgerV1.LedgerServiceServer>;
  readonly reconciliation: ServicePort<reconciliationV1.ReconciliationServiceServer>;
  readonly risk: ServicePort<riskV1.RiskServiceServer>;
  readonly aml: ServicePort<amlV1.AmlServiceServer>;
  close(): void;
}

export function connectClients(options: { address: string; apiKey: string; runtime: Runtime }): Clients {
  const settlements = connectService<settlementV1.SettlementServiceServer>(
    settlementV1.SettlementServiceService,
    options,
  );
  const institutions = connectService<institutionV1.InstitutionServiceServer>(
    institutionV1.InstitutionServiceService,
    options,
  );
  const proposals = connectService<proposalV1.ProposalServiceServer>(proposalV1.ProposalServiceService, options);
  const addresses = connectService<addressV1.AddressServiceServer>(addressV1.AddressServiceService, options);
  const ledger = connectService<ledgerV1.LedgerServiceServer>(ledgerV1.LedgerServiceService, options);
  const reconciliation = connectService<reconciliationV1.ReconciliationServiceServer>(
    reconciliationV1.ReconciliationServiceService,
    options,
  );
  const risk = connectService<riskV1.RiskServiceServer>(riskV1.RiskServiceService, options);
  const aml = connectService<amlV1.AmlServiceServer>(amlV1.AmlServiceService, options);
  const all = [settlements, institutions, proposals, addresses, ledger, reconciliation, risk, aml];
  return {
    settlements: settlements.calls,
    institutions: institutions.calls,
    proposals: proposals.calls,
    addresses: addresses.calls,
    ledger: ledger.calls,
    reconciliation: reconciliation.calls,
    risk: risk.calls,
    aml: aml.calls,
    close: () => all.forEach((client) => client.close()),
  };
}
