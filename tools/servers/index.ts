import path from 'node:path';
import { btcdServer } from './btcd-server.ts';
import { kafkaServer } from './kafka-server.ts';
import { postgresServer } from './postgres-server.ts';
import { type EnsuredServer, type Say, Server, type ServerKind } from './server.ts';

export { ServerUnavailable, type UnavailableReason } from './program.ts';
export { type EnsuredServer, type Say, Server, type ServerKind, type ServerStatus } from './server.ts';

/** The real servers that the platform runs on, as a person or a test can have them without containers. */
export const SERVER_NAMES = ['kafka', 'postgres', 'btcd'] as const;
export type ServerName = (typeof SERVER_NAMES)[number];

export const SERVER_KINDS: Readonly<Record<ServerName, ServerKind>> = {
  kafka: kafkaServer(),
  postgres: postgresServer(),
  btcd: btcdServer(),
};

/** Where servers keep their data unless told otherwise: `servers` under FINALITY_DATA_DIR, by default this checkout's `.finality`. */
export function serversHome(): string {
  const root = path.resolve(import.meta.dirname, '../..');
  return path.join(path.resolve(root, process.env['FINALITY_DATA_DIR'] || '.finality'), 'servers');
}

/** @param home the directory under which it has one of its own */
export function serverNamed(name: ServerName, home: string = serversHome()): Server {
  return new Server(SERVER_KINDS[name], path.join(home, name));
}

/**
 * The server that `npm run servers -- up <name>` started, if it runs; else one that is started now and ends with this process, however it
 * ends. Its `env`: `KAFKA_BROKERS`; `DATABASE_URL` and `DATABASE_ADMIN_URL` (superuser; the database `finality` is yours to create);
 * `BITCOIN_RPC_URL` with user and password.
 * @param say gets a line when it takes a while
 * @throws ServerUnavailable with what a person has to do
 */
export function ensureServer(name: ServerName, say: Say, home?: string): Promise<EnsuredServer> {
  return serverNamed(name, home).ensure(say);
}
