import { mkdirSync } from 'node:fs';
import pg from 'pg';
import { claimData } from './data-owner.ts';
import { firstFreePort } from './ports.ts';
import { ServerUnavailable, type UnavailableReason } from './program.ts';
import type { ServerKind } from './server.ts';

/** Next to the one that a Postgres of the system's has. */
const PORT_PREFERRED = 5433;
/** Where the services live; made when they are. */
const DATABASE = 'finality';
/** Each service has sessions of its own, some of them twice. */
const CONNECTIONS_MAX = 300;
const ANSWER_MS_MAX = 5_000;
const REASONS: Readonly<Record<string, UnavailableReason>> = {
  PORT_TAKEN: 'PORT_TAKEN',
  POSTGRES_IN_USE: 'DATA_IN_USE',
};

/** The embedded PostgreSQL. @param port default: 5433, or any other when that is taken */
export function postgresServer(port?: number): ServerKind {
  return {
    name: 'postgres',
    about: 'PostgreSQL from the embedded binaries',
    // Smart shutdown (SIGTERM) would wait for all sessions to end.
    endSignal: 'SIGINT',
    async start({ dataDir, detached }) {
      mkdirSync(dataDir, { recursive: true, mode: 0o700 });
      // All of NestJS comes with it: not for those who only ask for the status.
      const { silentLog, StartupError, startPostgres, systemRuntime } = await import('@finality/service');
      const claim = claimData(dataDir, 'PostgreSQL');
      try {
        const server = await startPostgres({
          dataDir,
          port: port ?? (await firstFreePort(PORT_PREFERRED)),
          durable: true,
          runtime: systemRuntime(),
          log: silentLog,
          settings: { max_connections: `${CONNECTIONS_MAX}` },
          tieToParent: !detached,
        });
        const { pid, adminUrl } = server;
        const url = new URL(adminUrl);
        url.pathname = `/${DATABASE}`;
        claim.handTo({ pid, detached, env: { DATABASE_URL: url.href, DATABASE_ADMIN_URL: adminUrl } });
        return () => server.stop();
      } catch (error) {
        claim.release();
        if (!(error instanceof StartupError)) throw error;
        throw new ServerUnavailable(REASONS[error.code] ?? 'NOT_STARTED', error.message);
      }
    },
    async ask({ DATABASE_ADMIN_URL }) {
      const client = new pg.Client({
        connectionString: DATABASE_ADMIN_URL,
        connectionTimeoutMillis: ANSWER_MS_MAX,
        query_timeout: ANSWER_MS_MAX,
      });
      client.on('error', () => undefined);
      try {
        await client.connect();
        const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
        return `version ${rows[0]?.server_version ?? 'unknown'}`;
      } catch {
        return undefined;
      } finally {
        await client.end().catch(() => undefined);
      }
    },
  };
}
