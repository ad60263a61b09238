export { type ChainWatcherEnv, ChainWatcherModule } from './chain-watcher.module.ts';
export { chainWatcherConfig, type ChainWatcherConfig } from './config.ts';
export { CHAIN_STATUS, type ChainStatus, type ChainWatcherStatus } from './status.ts';
export { chainWatcherProgram } from './program.ts';
export { chainWatcherService } from './service.ts';
