import { readFileSync } from 'node:fs';
import type { ServiceName, ServicePort } from '@finality/contracts';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { type AssembledService, type ServiceBlueprint, type ServiceEnv } from '../app/definition.ts';
import { configHelp, type ConfigSchema, defineConfig, readConfig } from '../config/config.ts';
import type { Log } from '../logging/log.ts';
import { createLogger } from '../logging/logger.ts';
import { systemRuntime } from '../runtime/system-runtime.ts';
import { errorMessage, StartupError } from '../startup-error.ts';
import {
  kafkaConnection,
  migrationSettings,
  type ProcessConfig,
  processEnvironment,
  processSettings,
} from './config.ts';
import { migrateService } from './migrate.ts';
import { peersOf } from './peers.ts';
import { ServiceProcess } from './service-process.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** A service as a process of its own: its blueprint, and how its environment comes about there. */
export interface ServiceProgram<Config, Env extends ServiceEnv> {
  readonly blueprint: ServiceBlueprint<Env>;
  /** The service's own variables of the environment. */
  readonly settings: ConfigSchema;
  /** Services whose `INTERNAL_API` it calls. */
  readonly calls?: readonly ServiceName[];
  /** @throws StartupError when the configuration makes no sense */
  env(base: Omit<ServiceEnv, 'config'>, to: ProgramContext<Config>): Env;
  /** Once it is the process that writes. */
  onLeading?(service: AssembledService, config: Config): Promise<void>;
}

export interface ProgramContext<Config> {
  readonly config: Config;
  readonly log: Log;
  /** Another service's internal API, over mutual TLS. */
  peer<Server>(name: ServiceName, definition: ServiceDefinition): ServicePort<Server>;
}

/** The variables of the environment that a service's process reads. */
export function settingsOf<Config, Env extends ServiceEnv>({
  blueprint,
  settings,
  calls = [],
}: ServiceProgram<Config, Env>): ConfigSchema {
  const hasPublicApi = Object.keys(blueprint.grpc).length > 0;
  const own = processSettings(blueprint.name, { hasPublicApi, peers: peersOf(blueprint, calls) });
  return defineConfig({ ...settings.shape, ...own.shape });
}

/**
 * `main.ts` of a service: `--help`, `migrate`, or (without arguments) the service until it is told to end.
 * @returns the exit code
 */
export async function runProgram<Config, Env extends ServiceEnv>(
  program: ServiceProgram<Config, Env>,
  args: readonly string[],
): Promise<number> {
  const { name } = program.blueprint;
  const usage = usageOf(name, settingsOf(program));
  const [command = 'serve', ...rest] = args;
  if (command === '--help' || command === '-h') {
    process.stdout.write(usage);
    return 0;
  }
  if (rest.length > 0 || !['serve', 'migrate'].includes(command)) {
    process.stderr.write(`unknown argument ${rest[0] ?? command}\n\n${usage}`);
    return EXIT_USAGE;
  }
  try {
    return await (command === 'migrate' ? migrate(program) : serve(program));
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    process.stderr.write(`${name}: ${error.message}\n`);
    return EXIT_FAILED;
  }
}

async function migrate<Config, Env extends ServiceEnv>({ blueprint }: ServiceProgram<Config, Env>): Promise<number> {
  const config = readConfig(processEnvironment(), migrationSettings);
  const log = createLogger({ level: 'info', fields: { service: blueprint.name } });
  const { DATABASE_URL: url, DATABASE_ADMIN_URL: adminUrl } = config;
  const ran = await migrateService({ blueprint, url, adminUrl, log });
  process.stdout.write(`${blueprint.name}: ${ran.length === 0 ? 'nothing to do' : ran.join(', ')}\n`);
  return 0;
}

async function serve<Config, Env extends ServiceEnv>(program: ServiceProgram<Config, Env>): Promise<number> {
  const { name } = program.blueprint;
  // Parsed by the schema that was put together from exactly these.
  const config = readConfig(processEnvironment(), settingsOf(program)) as ProcessConfig & Config;
  const log = createLogger({ level: config.LOG_LEVEL, fields: { service: name, instance: config.INSTANCE } });
  const { KAFKA_TLS_CA_FILE: caFile } = config;
  const kafka = kafkaConnection(config, config.INSTANCE, caFile === undefined ? undefined : readText(caFile));
  return new ServiceProcess({ program, config, kafka, runtime: systemRuntime(), log }).run();
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const message = `KAFKA_TLS_CA_FILE: can't read ${file}: ${errorMessage(error)}`;
    throw new StartupError('CONFIG_INVALID', message, 'Correct it and start again', { cause: error });
  }
}

function usageOf(name: ServiceName, settings: ConfigSchema): string {
  const indented = (schema: ConfigSchema): string => configHelp(schema).replace(/^/gm, '  ');
  return `${name}: one service of Finality, as a process of its own

  (no argument)  serves until SIGTERM, which drains it
  migrate        makes the database roles, the schema and its tables, or brings them up to date, and ends
  --help         shows this

Environment:
${indented(settings)}

Environment of migrate:
${indented(migrationSettings)}
`;
}
