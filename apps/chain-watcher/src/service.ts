import { TOPICS } from '@finality/contracts';
import { createEventStore, type ServiceBlueprint } from '@finality/service';
import { type ChainWatcherEnv, ChainWatcherModule, SCHEMA } from './chain-watcher.module.ts';
import { createChainWatcher } from './migrations/create-chain-watcher.migration.ts';
import { observeChain } from './observe.ts';
import { chainRebuild } from './projections/rebuilt.ts';
import { STREAMS } from './streams.ts';

/** The only service that talks to Bitcoin nodes for money: facts about the chain in, raw transactions out (DESIGN 3). */
export const chainWatcherService: ServiceBlueprint<ChainWatcherEnv> = {
  name: 'chain-watcher',
  schema: SCHEMA,
  migrations: (roles) => [createEventStore(roles), createChainWatcher(roles)],
  streams: STREAMS,
  rebuild: chainRebuild,
  entities: [],
  topics: [TOPICS.wallet, TOPICS.address, TOPICS.transaction],
  grpc: {},
  module: (env) => ChainWatcherModule.register(env),
  observe: observeChain,
};
