import {
  exchangeV1,
  institutionV1,
  ledgerV1,
  liquidityV1,
  proposalV1,
  settlementV1,
  TOPICS,
} from '@finality/contracts';
import { createEventStore, type ServiceBlueprint } from '@finality/service';
import { SETTLEMENT_SCHEMA, type SettlementEnv } from './env.ts';
import { createSettlement } from './migrations/create-settlement.migration.ts';
import { observeSettlements } from './observe.ts';
import { bankBookingEntity } from './projections/bank-bookings.ts';
import { depositEntity, institutionEntity, settlementEntity } from './projections/entities.ts';
import { SettlementModule } from './settlement.module.ts';
import { rateEntity } from './projections/rates.ts';
import { SETTLEMENT_REBUILD, SETTLEMENT_STREAMS } from './projections/rebuilt.ts';

/** Institutions' front, settlements and their transactions, and the only writer of the ledger. */
export const settlementService: ServiceBlueprint<SettlementEnv> = {
  name: 'settlement',
  schema: SETTLEMENT_SCHEMA,
  migrations: (roles) => [createEventStore(roles), createSettlement(roles)],
  streams: SETTLEMENT_STREAMS,
  rebuild: () => SETTLEMENT_REBUILD,
  entities: [settlementEntity, institutionEntity, depositEntity, bankBookingEntity, rateEntity],
  topics: [
    TOPICS.riskVerdict,
    TOPICS.amlVerdict,
    TOPICS.wallet,
    TOPICS.address,
    TOPICS.destination,
    TOPICS.chainFact,
    TOPICS.reconciliationRun,
  ],
  grpc: {
    'finality.settlement.v1.SettlementService': settlementV1.SettlementServiceService,
    'finality.settlement.v1.OperationsService': settlementV1.OperationsServiceService,
    'finality.exchange.v1.CashService': exchangeV1.CashServiceService,
    'finality.exchange.v1.ExchangeService': exchangeV1.ExchangeServiceService,
    'finality.settlement.v1.WindowService': settlementV1.WindowServiceService,
    'finality.settlement.v1.PolicyService': settlementV1.PolicyServiceService,
    'finality.institution.v1.InstitutionService': institutionV1.InstitutionServiceService,
    'finality.liquidity.v1.LiquidityService': liquidityV1.LiquidityServiceService,
    'finality.liquidity.v1.CollateralService': liquidityV1.CollateralServiceService,
    'finality.liquidity.v1.DefaultService': liquidityV1.DefaultServiceService,
    'finality.liquidity.v1.FundService': liquidityV1.FundServiceService,
    'finality.proposal.v1.ProposalService': proposalV1.ProposalServiceService,
    'finality.ledger.v1.LedgerService': ledgerV1.LedgerServiceService,
  },
  internal: {
    definition: ledgerV1.InternalLedgerServiceService,
    callers: { getLedgerCut: ['reconciliation'] },
  },
  module: (env) => SettlementModule.register(env),
  observe: observeSettlements,
};
