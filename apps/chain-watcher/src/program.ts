import type { ServiceProgram } from '@finality/service';
import type { ChainWatcherEnv } from './chain-watcher.module.ts';
import { type ChainWatcherConfig, chainWatcherConfig } from './config.ts';
import { chainWatcherService } from './service.ts';

export const chainWatcherProgram: ServiceProgram<ChainWatcherConfig, ChainWatcherEnv> = {
  blueprint: chainWatcherService,
  settings: chainWatcherConfig,
  env: (base, { config, log }) => ({ ...base, config, log }),
};
