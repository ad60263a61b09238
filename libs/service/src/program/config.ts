import type { ServiceName } from '@finality/contracts';
import { KEYS_KEPT_DAYS_MIN } from '@finality/event-store';
import type { KafkaConnection } from '@finality/messaging';
import { z } from 'zod';
import { type ConfigSchema, defineConfig, setting } from '../config/config.ts';

/** Where a service's API, its health and its API for our other services are by default: all fit on one machine. */
export const PORTS_DEFAULT: Readonly<Record<ServiceName, { grpc: number; http: number; internal: number }>> = {
  settlement: { grpc: 50_051, http: 8_081, internal: 50_061 },
  'address-issuer': { grpc: 50_052, http: 8_082, internal: 50_062 },
  risk: { grpc: 50_053, http: 8_083, internal: 50_063 },
  aml: { grpc: 50_054, http: 8_084, internal: 50_064 },
  reconciliation: { grpc: 50_055, http: 8_085, internal: 50_065 },
  'chain-watcher': { grpc: 50_056, http: 8_086, internal: 50_066 },
  signer: { grpc: 50_057, http: 8_087, internal: 50_067 },
};

/** `address-issuer` → `ADDRESS_ISSUER`: how variables name a service. */
export const variablePrefix = (service: ServiceName): string => service.toUpperCase().replaceAll('-', '_');

/** How long answers can be had again. */
export const keptKeysSettings = defineConfig({
  IDEMPOTENCY_KEY_DAYS: setting
    .integer(KEYS_KEPT_DAYS_MIN, 36_500)
    .optional()
    .describe(
      'For how many days a request that is repeated with its idempotency key gets its answer again; after that it is a new request, which pays again. Default: for ever.',
    ),
});

/** How to reach Kafka. */
export const kafkaSettings = defineConfig({
  KAFKA_BROKERS: setting.text().describe('Kafka: host:port of some brokers, separated by commas.'),
  KAFKA_PREFIX: setting
    .text(100)
    .optional()
    .describe('Stands before the names of topics and groups, where several platforms share a cluster.'),
  KAFKA_REPLICATION: setting
    .integer(1, 10)
    .optional()
    .describe('Copies of each topic that is made; default: as many as there are brokers, at most 3.'),
  KAFKA_SASL_MECHANISM: setting
    .oneOf('plain', 'scram-sha-256', 'scram-sha-512')
    .optional()
    .describe('How to log in to Kafka: plain, scram-sha-256 or scram-sha-512; without it nobody logs in.'),
  KAFKA_USERNAME: setting.text().optional().describe('User at Kafka.'),
  KAFKA_PASSWORD: setting.secret(setting.text().optional().describe('Password at Kafka.')),
  KAFKA_TLS: setting.flag().default(false).describe('Whether to talk to Kafka over TLS.'),
  KAFKA_TLS_CA_FILE: setting
    .text()
    .optional()
    .describe('PEM file of the authority that Kafka’s certificates come from; default: those that Node knows.'),
});

export type KafkaSettings = z.output<typeof kafkaSettings>;

/** @param ca what is in KAFKA_TLS_CA_FILE */
export function kafkaConnection(config: KafkaSettings, clientId: string, ca?: string): KafkaConnection {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_USERNAME: username, KAFKA_PASSWORD: password } = config;
  const hasLogin = mechanism !== undefined && username !== undefined && password !== undefined;
  return {
    clientId,
    brokers: config.KAFKA_BROKERS.split(',').map((broker) => broker.trim()),
    ...(config.KAFKA_PREFIX === undefined ? {} : { prefix: config.KAFKA_PREFIX }),
    ...(config.KAFKA_TLS ? { tls: ca === undefined ? {} : { ca } } : {}),
    ...(hasLogin ? { sasl: { mechanism, username, password } } : {}),
  };
}

const host = (what: string) => setting.text(255).default('127.0.0.1').describe(`Address on which ${what} listens.`);
const port = (defaultPort: number, what: string) =>
  setting.port().default(defaultPort).describe(`Port of ${what}; 0 takes a free one.`);

function common(service: ServiceName) {
  const ports = PORTS_DEFAULT[service];
  return defineConfig({
    DATABASE_URL: setting.secret(
      setting.url('postgres', 'postgresql').describe(`The database, with the login role of ${service}.`),
    ),
    ...kafkaSettings.shape,
    INTERNAL_HOST: host('the API for our other services'),
    INTERNAL_PORT: port(ports.internal, 'the API for our other services (mutual TLS)'),
    HTTP_HOST: host('/healthz, /readyz and /metrics'),
    HTTP_PORT: port(ports.http, '/healthz, /readyz and /metrics'),
    TLS_CA_FILE: setting.text().describe('PEM file of the authority that our services’ certificates come from.'),
    TLS_CERT_FILE: setting.text().describe(`PEM file with the certificate of ${service}.`),
    TLS_KEY_FILE: setting.text().describe('PEM file with the private key of that certificate.'),
    INSTANCE: setting
      .text(63)
      .default(service)
      .describe('Name of this process among those of the service, for logs and the writer’s lease.'),
    ...keptKeysSettings.shape,
    LOG_LEVEL: setting
      .oneOf('debug', 'info', 'warn', 'error')
      .default('info')
      .describe('The log goes to stderr, a JSON object per line, from this level on.'),
    OTEL_EXPORTER_OTLP_ENDPOINT: setting
      .url('http', 'https')
      .optional()
      .describe('Where traces are sent to (OTLP); without it there are none.'),
  });
}

function publicApi(service: ServiceName) {
  return defineConfig({
    GRPC_HOST: host('the gRPC API'),
    GRPC_PORT: port(PORTS_DEFAULT[service].grpc, 'the gRPC API'),
  });
}

/** Present where the service has a public API. */
export type ProcessConfig = z.output<ReturnType<typeof common>> &
  Partial<z.output<ReturnType<typeof publicApi>>> & { readonly [peerAddress: `${string}_ADDRESS`]: string };

/** `signer` → `SIGNER_ADDRESS`. */
export const addressVariable = (peer: ServiceName): `${string}_ADDRESS` => `${variablePrefix(peer)}_ADDRESS`;

/** What each service process needs whatever the service; names are environment variables. @param peers whom it calls */
export function processSettings(
  service: ServiceName,
  { hasPublicApi, peers }: { readonly hasPublicApi: boolean; readonly peers: readonly ServiceName[] },
): ConfigSchema {
  const addresses = peers.map((peer): [string, z.ZodType] => [
    addressVariable(peer),
    setting.text().describe(`host:port of ${peer}’s API for our other services; replicas are separated by commas.`),
  ]);
  return defineConfig({
    ...common(service).shape,
    ...(hasPublicApi ? publicApi(service).shape : {}),
    ...Object.fromEntries(addresses),
  });
}

/** For `migrate`: makes the roles, the schema and its tables. */
export const migrationSettings = defineConfig({
  DATABASE_URL: setting.secret(
    setting.url('postgres', 'postgresql').describe('The database, with the login role and its password, to be made.'),
  ),
  DATABASE_ADMIN_URL: setting.secret(
    setting.url('postgres', 'postgresql').describe('The same server, with a role that may create roles and databases.'),
  ),
});

/** The only place where a service process reads its environment. */
export const processEnvironment = (): Readonly<Record<string, string | undefined>> => process.env;
