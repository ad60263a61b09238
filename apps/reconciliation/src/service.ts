import { reconciliationV1, TOPICS } from '@finality/contracts';
import { createEventStore, type ServiceBlueprint } from '@finality/service';
import { createReconciliation } from './migrations/create-reconciliation.migration.ts';
import { RECONCILIATION_SCHEMA, type ReconciliationEnv, ReconciliationModule } from './reconciliation.module.ts';
import { RECONCILIATION_REBUILD } from './projections/rebuilt.ts';
import { STREAMS } from './streams.ts';

/** Proves, at one cut, that ledger, chain, settlements and signatures agree (B1). Reads the chain from a node itself. */
export const reconciliationService: ServiceBlueprint<ReconciliationEnv> = {
  name: 'reconciliation',
  schema: RECONCILIATION_SCHEMA,
  migrations: (roles) => [createEventStore(roles), createReconciliation(roles)],
  streams: STREAMS,
  rebuild: () => RECONCILIATION_REBUILD,
  entities: [],
  topics: [TOPICS.wallet, TOPICS.address],
  grpc: { 'finality.reconciliation.v1.ReconciliationService': reconciliationV1.ReconciliationServiceService },
  module: (env) => ReconciliationModule.register(env),
};
