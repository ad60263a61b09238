import path from 'node:path';
import { type Simulator, startSimulator } from '@finality/chain-simulator';
import { createPool, type EmbeddedPostgres, silentLog, startPostgres, systemRuntime } from '@finality/service';
import { SchemaCopy } from '@finality/testing';
import type { NodeKind } from './nodes.fixture.ts';

const USER = 'backup';
const DATABASE = 'finality';
const STOP_MS_MAX = 2_000;

/** A node and a database that outlive the platform, so that something can be done to its store while it is down. */
export class Outliving implements NodeKind {
  readonly name = 'a simulator and a Postgres of their own';
  #postgres: EmbeddedPostgres | undefined;

  async start(directory: string): ReturnType<NodeKind['start']> {
    const runtime = systemRuntime();
    const dataDir = path.join(directory, 'node');
    const password = Buffer.from(runtime.randomBytes(16)).toString('hex');
    const node: Simulator = await startSimulator({ dataDir, port: 0, user: USER, password, now: () => runtime.now() });
    const postgres = await startPostgres({
      dataDir: path.join(directory, 'database'),
      durable: false,
      tieToParent: true,
      runtime,
      log: silentLog,
    });
    this.#postgres = postgres;
    return {
      environment: {
        BITCOIN_RPC_URL: node.url,
        BITCOIN_RPC_USER: USER,
        BITCOIN_RPC_PASSWORD: password,
        DATABASE_URL: this.#url,
      },
      stop: async () => {
        await node.close();
        await postgres.stop(STOP_MS_MAX);
      },
    };
  }

  get #url(): string {
    const url = new URL(this.#postgres!.adminUrl);
    url.pathname = DATABASE;
    return url.href;
  }

  /** A copy of a service's schema as it is now. @returns what puts it back */
  async copy(schema: string): Promise<() => Promise<void>> {
    const pool = () => createPool(this.#url, { applicationName: 'backup', connectionsMax: 1, log: silentLog });
    const taking = pool();
    const copy = await SchemaCopy.take(taking, schema).finally(() => taking.end());
    return async () => {
      const restoring = pool();
      await copy.restore(restoring).finally(() => restoring.end());
    };
  }
}
