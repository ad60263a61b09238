export { errorCode, errorMessage, StartupError } from './startup-error.ts';
export { type Log, silentLog } from './logging/log.ts';
export { type EmbeddedPostgres, type PostgresOptions, startPostgres } from './postgres/launcher.ts';
export { systemRuntime } from './runtime/system-runtime.ts';
export { type Migration, type MigrateOptions, runMigrations } from './database/migrations.ts';
export { createPool, exactTypes, type PoolOptions, withTransaction } from './database/pool.ts';
export {
  dropDatabase,
  provisionDatabase,
  type Provisioned,
  type ProvisionOptions,
  type ServiceSchema,
  type ServiceUrls,
  urlWith,
} from './database/provision.ts';
export { bigintColumn, createReadModels, type ReadModelOptions } from './database/read-models.ts';
export { busRole, derivePasswords, ROLE_PREFIX, rolesOf, type ServiceRoles } from './database/roles.ts';
