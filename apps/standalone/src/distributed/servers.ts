import path from 'node:path';
import { StartupError } from '@finality/service';
import { ensureServer, type EnsuredServer, type ServerName, ServerUnavailable } from '@finality/tools/servers/index.ts';
import { accessOf, type RpcAccess } from '../chain.ts';
import type { StandaloneConfig } from '../config.ts';
import type { DataDirectory } from '../data-dir.ts';
import type { DistributedSettings } from './settings.ts';

/** What the services run on. */
export interface Servers {
  /** Brokers. */
  readonly kafka: readonly string[];
  /** As a role that may create roles and databases; names the database. */
  readonly postgres: string;
  readonly node: RpcAccess;
  /** Those that we started, by their names. */
  readonly ours: ReadonlyMap<ServerName, EnsuredServer>;
  /** Ends those that we started, and no others. */
  stop(): Promise<void>;
}

export interface ServersOptions {
  readonly directory: DataDirectory;
  readonly config: StandaloneConfig;
  readonly settings: DistributedSettings;
  readonly say: (line: string) => void;
}

/**
 * Kafka, Postgres and a Bitcoin node: those that the settings name, those that `npm run servers` has running, or such as are started now.
 * @throws StartupError when one can't be had, with what a person has to do
 */
export async function ensureServers({ directory, config, settings, say }: ServersOptions): Promise<Servers> {
  const ours = new Map<ServerName, EnsuredServer>();
  const stop = async (): Promise<void> => {
    for (const server of [...ours.values()].toReversed()) await server.stop();
  };
  const home = path.join(directory.path, 'servers');
  const ensure = async (name: ServerName): Promise<Readonly<Record<string, string>>> => {
    const server = await ensureServer(name, say, home);
    ours.set(name, server);
    return server.env;
  };
  try {
    const { KAFKA_BROKERS: brokers, DATABASE_ADMIN_URL: adminUrl } = settings;
    const kafka = brokers ?? (await ensure('kafka'))['KAFKA_BROKERS']!;
    const postgres = adminUrl ?? (await ensure('postgres'))['DATABASE_ADMIN_URL']!;
    const node = config.BITCOIN_RPC_URL === undefined ? accessOf(await ensure('btcd')) : accessOf(config);
    return { kafka: kafka.split(',').map((broker) => broker.trim()), postgres, node, ours, stop };
  } catch (error) {
    await stop();
    if (!(error instanceof ServerUnavailable)) throw error;
    throw new StartupError(error.reason, error.message, 'Or name a server of your own (see --help)', { cause: error });
  }
}
