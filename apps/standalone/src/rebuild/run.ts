import { silentLog, startPostgres, systemRuntime, urlWith } from '@finality/service';
import { readEnvironment } from '../config.ts';
import { openDataDirectory } from '../data-dir.ts';
import { databaseNamed } from '../database.ts';
import { BLUEPRINTS } from '../services.ts';
import { type RebuildReport, rebuildService } from './rebuild.ts';

export class UnknownService extends Error {}

/** Of somebody's server, or of the embedded one, which is started for it. @param url of a server; default: what the environment says */
export async function rebuildNamed(service: string, url: string | undefined): Promise<RebuildReport> {
  const blueprint = BLUEPRINTS.find(({ name }) => name === service);
  if (blueprint === undefined)
    throw new UnknownService(`expected one of ${BLUEPRINTS.map(({ name }) => name).join(', ')}, got "${service}"`);
  const runtime = systemRuntime();
  const monotonicMs = (): number => runtime.monotonicMs();
  const config = readEnvironment();
  const { BITCOIN_NETWORK: network } = config;
  const server = url ?? config.DATABASE_URL;
  if (server !== undefined)
    return rebuildService(blueprint, { url: urlWith(server, databaseNamed(server)), network }, monotonicMs);
  const chain = config.BITCOIN_RPC_URL === undefined ? 'simulator' : 'node';
  const directory = await openDataDirectory(config.FINALITY_DATA_DIR, { fresh: false, chain, runtime });
  try {
    const options = { dataDir: directory.postgres, durable: true, tieToParent: true, runtime, log: silentLog };
    const postgres = await startPostgres(options);
    try {
      const at = { url: urlWith(postgres.adminUrl, databaseNamed(postgres.adminUrl)), network };
      return await rebuildService(blueprint, at, monotonicMs);
    } finally {
      await postgres.stop();
    }
  } finally {
    await directory.release();
  }
}
