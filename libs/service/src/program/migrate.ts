import { runMigrations } from '../database/migrations.ts';
import { provisionDatabase } from '../database/provision.ts';
import { busRole, rolesOf } from '../database/roles.ts';
import type { ServiceBlueprint } from '../app/definition.ts';
import type { Log } from '../logging/log.ts';
import { StartupError } from '../startup-error.ts';

export interface MigrateServiceOptions {
  readonly blueprint: Pick<ServiceBlueprint<never>, 'name' | 'schema' | 'migrations'>;
  /** Names the database, and the login role's password. */
  readonly url: string;
  readonly adminUrl: string;
  readonly log: Log;
}

/**
 * Makes a service's roles, schema and tables, or brings them up to date. Nobody logs in as the schema's owner but this.
 * @returns the migrations that ran
 * @throws StartupError when the URL has another role than the service's, or no password
 */
export async function migrateService({
  blueprint,
  url,
  adminUrl,
  log,
}: MigrateServiceOptions): Promise<readonly string[]> {
  const { name, schema } = blueprint;
  const { owner, login } = rolesOf(name);
  const { username, password, pathname } = new URL(url);
  if (decodeURIComponent(username) !== login || password === '') {
    const message = `DATABASE_URL: expected the role ${login} with a password, found ${username || 'no role'}`;
    throw new StartupError('CONFIG_INVALID', message, 'Correct it and start again');
  }
  const secret = decodeURIComponent(password);
  const provisioned = await provisionDatabase({
    adminUrl,
    database: decodeURIComponent(pathname.slice(1)),
    services: [{ name, schema }],
    passwordOf: (role) => (role === login ? secret : `${secret}-${role}`),
  });
  const roles = { schema, owner, service: login, bus: busRole() };
  const { ownerUrl } = provisioned.services[name]!;
  return runMigrations({ ownerUrl, schema, serviceRole: login, migrations: blueprint.migrations(roles), log });
}
