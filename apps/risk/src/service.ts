import { riskV1, TOPICS } from '@finality/contracts';
import { createEventStore, type ServiceBlueprint } from '@finality/service';
import { createRisk } from './migrations/create-risk.migration.ts';
import { RISK_SCHEMA, type RiskEnv, RiskModule } from './risk.module.ts';
import { RISK_REBUILD } from './rebuilt.ts';
import { STREAMS } from './streams.ts';

/** Scores settlements and deposits (R1, R2) and publishes a verdict on each. */
export const riskService: ServiceBlueprint<RiskEnv> = {
  name: 'risk',
  schema: RISK_SCHEMA,
  migrations: (roles) => [createEventStore(roles), createRisk(roles)],
  streams: STREAMS,
  rebuild: () => RISK_REBUILD,
  entities: [],
  topics: [TOPICS.screening, TOPICS.approval, TOPICS.deposit, TOPICS.chainFact],
  // They become history: what is screened next needn't wait for them.
  unhurried: [TOPICS.approval],
  grpc: { 'finality.risk.v1.RiskService': riskV1.RiskServiceService },
  module: (env) => RiskModule.register(env),
};
