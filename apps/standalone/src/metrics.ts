import { CHAIN_STATUS, type ChainStatus } from '@finality/chain-watcher-app';
import { type ServiceName } from '@finality/contracts';
import { ParkedKeys } from '@finality/messaging';
import type { AssembledService, CheckResult, Metrics, ServiceEnv } from '@finality/service';
import type { Runtime } from '@finality/kernel';

export interface WatchedPlatform {
  readonly services: ReadonlyMap<ServiceName, AssembledService>;
  readonly baseOf: (name: ServiceName) => Omit<ServiceEnv, 'config'>;
  readonly metrics: Metrics;
  readonly runtime: Runtime;
}

/** Figures that are asked for when somebody scrapes. */
export function watchPlatform({ services, baseOf, metrics, runtime }: WatchedPlatform): void {
  for (const [name, { blueprint, consumer }] of services) {
    const own = metrics.forService(name);
    if (consumer === undefined) continue;
    const parked = new ParkedKeys({ pool: baseOf(name).pool, schema: blueprint.schema, runtime });
    own.watch('finality_consumer_lag_messages', 'Messages published but not yet handled', {}, async () =>
      Number(await consumer.lag()),
    );
    own.watch('finality_parked_keys', 'Keys whose messages wait behind one that could not be handled', {}, () =>
      parked.count(),
    );
  }
  const watcher = metrics.forService('chain-watcher');
  const chain = chainStatus(services);
  const read = (name: string, help: string, value: () => number | null): void =>
    watcher.watch(name, help, {}, () => value() ?? Number.NaN);
  read('finality_chain_tip_height', 'Height of the last block processed', () => chain.status().tipHeight);
  read('finality_chain_tip_age_seconds', 'Since the time of the last block processed', () =>
    seconds(chain.status().tipAgeMs),
  );
  read(
    'finality_chain_lag_blocks',
    'Blocks that the node has and we have not processed',
    () => chain.status().lagBlocks,
  );
  read(
    'finality_broadcasts_wanted',
    'Transactions to be brought onto the chain',
    () => chain.status().broadcastsWanted,
  );
}

const seconds = (ms: number | null): number | null => (ms === null ? null : ms / 1_000);

/** Without a node nothing moves on the chain: whoever asks whether we are ready has to know. */
export function chainCheck(services: ReadonlyMap<ServiceName, AssembledService>): () => CheckResult {
  const chain = chainStatus(services);
  return () => {
    const { nodeReachable, tipHeight, nodeHeight, problem } = chain.status();
    return {
      ok: nodeReachable && problem === null,
      detail: {
        tipHeight,
        ...(nodeHeight === null ? {} : { nodeHeight }),
        ...(problem === null ? {} : { problem }),
      },
    };
  };
}

const chainStatus = (services: ReadonlyMap<ServiceName, AssembledService>): ChainStatus =>
  services.get('chain-watcher')!.get<ChainStatus>(CHAIN_STATUS);
