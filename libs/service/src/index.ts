export { errorCode, errorMessage, StartupError } from './startup-error.ts';
export { type Log, silentLog } from './logging/log.ts';
export { type EmbeddedPostgres, type PostgresOptions, startPostgres } from './postgres/launcher.ts';
export { systemRuntime } from './runtime/system-runtime.ts';
