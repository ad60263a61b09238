import { amlV1, TOPICS } from '@finality/contracts';
import { createEventStore, type ServiceBlueprint } from '@finality/service';
import { AML_SCHEMA, type AmlEnv, AmlModule } from './aml.module.ts';
import { STREAMS } from './streams.ts';

/** Monitors settlements and deposits (A2) and publishes a verdict on each. */
export const amlService: ServiceBlueprint<AmlEnv> = {
  name: 'aml',
  schema: AML_SCHEMA,
  migrations: (roles) => [createEventStore(roles)],
  streams: STREAMS,
  entities: [],
  topics: [TOPICS.screening, TOPICS.deposit],
  grpc: { 'finality.aml.v1.AmlService': amlV1.AmlServiceService },
  module: (env) => AmlModule.register(env),
};
