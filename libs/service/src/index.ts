export { type ApiKeyRecord, type KeyDirectory, KeyMap, makeApiKey, parseApiKey, principalOf } from './auth/api-key.ts';
export { authenticate, requireInstitution, requireRole } from './auth/authenticate.ts';
export { configHelp, type ConfigSchema, defineConfig, readConfig, setting } from './config/config.ts';
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
export { type CallContext, callContext, type CallEnd, setCallContext } from './grpc/call-context.ts';
export { connectService, type ServiceClient, type ServiceClientOptions } from './grpc/client.ts';
export { PassOnErrors } from './grpc/error-filter.ts';
export {
  ERROR_DOMAIN,
  RefusalException,
  refusalOf,
  rpcStatusOf,
  STATUS_OF_REFUSAL,
  statusOfRefusal,
  toRpcException,
} from './grpc/refusal-status.ts';
export { SharedGrpcServer, type SharedGrpcOptions } from './grpc/shared-server.ts';
export { type GrpcServices, SharedGrpcStrategy } from './grpc/strategy.ts';
export { inBatches, inOrder, requestsOf } from './grpc/streams.ts';
export {
  type CheckResult,
  databaseCheck,
  grpcHealthWorker,
  HealthRegistry,
  type HealthReport,
  workerCheck,
} from './health/health.ts';
export { type HttpOptions, type HttpServer, startHttp } from './health/http.ts';
export { type Log, silentLog } from './logging/log.ts';
export { createLogger, type LoggerOptions, type LogLevel, redactText } from './logging/logger.ts';
export { nestLogger } from './logging/nest-logger.ts';
export {
  type EmbeddedPostgres,
  type PostgresOptions,
  runningPostgres,
  startPostgres,
  stopPostgresLeftRunning,
} from './postgres/launcher.ts';
export { systemRuntime } from './runtime/system-runtime.ts';
export { WorkerLoop, type WorkerLoopOptions, type WorkerStatus } from './runtime/worker-loop.ts';
export { errorCode, errorMessage, StartupError } from './startup-error.ts';
export { type Labels, Metrics, SECONDS_BUCKETS, type ServiceMetrics } from './telemetry/metrics.ts';
export {
  formatTraceparent,
  newTraceparent,
  parseTraceparent,
  type SpanOptions,
  startTracing,
  withSpan,
} from './telemetry/tracing.ts';
export * from './app/definition.ts';
export { Authenticator } from './app/authenticator.ts';
export { createEventStore } from './app/event-store-migration.ts';
export {
  type AssembleOptions,
  assembleService,
  type PublicApi,
  type RunningWorkers,
  type RunOptions,
  runWorkers,
} from './app/assemble.ts';
export { operate, type OperateOptions } from './app/operate.ts';
export { InternalServer, type InternalService } from './internal/internal-server.ts';
export { type MessagePort, messageService, messagesOf, ownersMessages } from './internal/published-messages.ts';
export {
  channelCredentials,
  identityOf,
  readTls,
  serverCredentials,
  type TlsFiles,
  type TlsMaterial,
} from './internal/tls.ts';
export {
  addressVariable,
  keptKeysSettings,
  kafkaConnection,
  kafkaSettings,
  PORTS_DEFAULT,
  variablePrefix,
} from './program/config.ts';
export { type ProgramContext, runProgram, type ServiceProgram, settingsOf } from './program/program.ts';
export { answeredBefore, execute, executeAll } from './app/execute.ts';
