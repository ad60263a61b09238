import {
  addressV1,
  amlV1,
  exchangeV1,
  institutionV1,
  ledgerV1,
  liquidityV1,
  proposalV1,
  reconciliationV1,
  riskV1,
  type ServicePort,
  settlementV1,
} from '@finality/contracts';
import type { Refusal } from '@finality/kernel';
import { connectService, refusalOf, systemRuntime } from '@finality/service';
import { credentials, Metadata, type ServiceDefinition } from '@grpc/grpc-js';

/** The public API over a connection of its own, as somebody with an API key sees it. */
export interface Api {
  readonly settlements: ServicePort<settlementV1.SettlementServiceServer>;
  readonly operations: ServicePort<settlementV1.OperationsServiceServer>;
  readonly windows: ServicePort<settlementV1.WindowServiceServer>;
  readonly policy: ServicePort<settlementV1.PolicyServiceServer>;
  readonly institutions: ServicePort<institutionV1.InstitutionServiceServer>;
  readonly addresses: ServicePort<addressV1.AddressServiceServer>;
  readonly destinations: ServicePort<addressV1.DestinationServiceServer>;
  readonly cash: ServicePort<exchangeV1.CashServiceServer>;
  readonly exchange: ServicePort<exchangeV1.ExchangeServiceServer>;
  readonly liquidity: ServicePort<liquidityV1.LiquidityServiceServer>;
  readonly collateral: ServicePort<liquidityV1.CollateralServiceServer>;
  readonly defaults: ServicePort<liquidityV1.DefaultServiceServer>;
  readonly fund: ServicePort<liquidityV1.FundServiceServer>;
  readonly proposals: ServicePort<proposalV1.ProposalServiceServer>;
  readonly ledger: ServicePort<ledgerV1.LedgerServiceServer>;
  readonly reconciliation: ServicePort<reconciliationV1.ReconciliationServiceServer>;
  readonly risk: ServicePort<riskV1.RiskServiceServer>;
  readonly aml: ServicePort<amlV1.AmlServiceServer>;
  /** The generated client, for streams; they want the metadata. */
  readonly streams: settlementV1.SettlementServiceClient;
  readonly metadata: Metadata;
  close(): void;
}

export function connectApi(address: string, apiKey?: string): Api {
  const closing: (() => void)[] = [];
  const connect = <Server>(definition: ServiceDefinition): ServicePort<Server> => {
    const runtime = systemRuntime();
    const { calls, close } = connectService<Server>(definition, {
      address,
      runtime,
      ...(apiKey === undefined ? {} : { apiKey }),
    });
    closing.push(close);
    return calls;
  };
  const metadata = new Metadata();
  if (apiKey !== undefined) metadata.set('authorization', `Bearer ${apiKey}`);
  const streams = new settlementV1.SettlementServiceClient(address, credentials.createInsecure());
  closing.push(() => streams.close());
  return {
    settlements: connect(settlementV1.SettlementServiceService),
    operations: connect(settlementV1.OperationsServiceService),
    windows: connect(settlementV1.WindowServiceService),
    policy: connect(settlementV1.PolicyServiceService),
    institutions: connect(institutionV1.InstitutionServiceService),
    addresses: connect(addressV1.AddressServiceService),
    destinations: connect(addressV1.DestinationServiceService),
    cash: connect(exchangeV1.CashServiceService),
    exchange: connect(exchangeV1.ExchangeServiceService),
    liquidity: connect(liquidityV1.LiquidityServiceService),
    collateral: connect(liquidityV1.CollateralServiceService),
    defaults: connect(liquidityV1.DefaultServiceService),
    fund: connect(liquidityV1.FundServiceService),
    proposals: connect(proposalV1.ProposalServiceService),
    ledger: connect(ledgerV1.LedgerServiceService),
    reconciliation: connect(reconciliationV1.ReconciliationServiceService),
    risk: connect(riskV1.RiskServiceService),
    aml: connect(amlV1.AmlServiceService),
    streams,
    metadata,
    close: () => closing.forEach((close) => close()),
  };
}

/** Why a call was refused; undefined when it wasn't. */
export function refused(call: Promise<unknown>): Promise<Refusal | undefined> {
  return call.then(
    () => undefined,
    (error: unknown) => refusalOf(error),
  );
}
