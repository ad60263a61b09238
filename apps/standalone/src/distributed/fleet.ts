import { addressIssuerProgram } from '@finality/address-issuer-app';
import { amlProgram } from '@finality/aml-app';
import { chainWatcherProgram } from '@finality/chain-watcher-app';
import type { ServiceName } from '@finality/contracts';
import { reconciliationProgram } from '@finality/reconciliation-app';
import { riskProgram } from '@finality/risk-app';
import {
  addressVariable,
  type ConfigSchema,
  type GrpcServices,
  type ServiceBlueprint,
  settingsOf,
} from '@finality/service';
import { settlementProgram } from '@finality/settlement-app';
import { signerProgram } from '@finality/signer-app';
import type { CertificateFiles } from '@finality/tools/certificates/certificates.ts';
import { freePort } from '@finality/tools/servers/ports.ts';
import { HOST } from '../ports.ts';
import type { Environment } from './settings.ts';

/** What is known of a service without starting it. */
export interface Member {
  readonly blueprint: ServiceBlueprint;
  readonly settings: ConfigSchema;
  /** Processes of it: the first one to come writes, the others stand by. */
  readonly replicas: number;
}

/** None needs one that comes later to start. */
export const FLEET: readonly Member[] = [
  { blueprint: signerProgram.blueprint, settings: settingsOf(signerProgram), replicas: 1 },
  { blueprint: addressIssuerProgram.blueprint, settings: settingsOf(addressIssuerProgram), replicas: 1 },
  { blueprint: settlementProgram.blueprint, settings: settingsOf(settlementProgram), replicas: 2 },
  { blueprint: chainWatcherProgram.blueprint, settings: settingsOf(chainWatcherProgram), replicas: 1 },
  { blueprint: riskProgram.blueprint, settings: settingsOf(riskProgram), replicas: 1 },
  { blueprint: amlProgram.blueprint, settings: settingsOf(amlProgram), replicas: 1 },
  { blueprint: reconciliationProgram.blueprint, settings: settingsOf(reconciliationProgram), replicas: 1 },
];

/** One process: its name, and where it listens. */
export interface Place {
  readonly service: ServiceName;
  readonly instance: string;
  readonly ports: { readonly grpc: number; readonly http: number; readonly internal: number };
}

/** Every public gRPC service, and the service of ours that has it. */
export const PUBLIC_SERVICES: ReadonlyMap<string, ServiceName> = new Map(
  FLEET.flatMap(({ blueprint }) => Object.keys(blueprint.grpc).map((name) => [name, blueprint.name] as const)),
);

export const publicDefinitions = (): GrpcServices =>
  Object.assign({}, ...FLEET.map(({ blueprint }) => blueprint.grpc)) as GrpcServices;

/** Ports for every process, kept for all its lives: the others know them. @param grpcPortOf that of a service's first process, if it is to be a certain one */
export async function placeAll(grpcPortOf: (service: ServiceName) => number | undefined): Promise<readonly Place[]> {
  const places: Place[] = [];
  const taken = new Set<number>();
  const another = async (): Promise<number> => {
    for (;;) {
      const port = await freePort();
      if (taken.has(port)) continue;
      taken.add(port);
      return port;
    }
  };
  for (const { blueprint, replicas } of FLEET) {
    for (let replica = 0; replica < replicas; replica++) {
      const asked = replica === 0 ? grpcPortOf(blueprint.name) : undefined;
      const ports = { grpc: asked ?? (await another()), http: await another(), internal: await another() };
      const instance = replicas === 1 ? blueprint.name : `${blueprint.name}-${replica}`;
      places.push({ service: blueprint.name, instance, ports });
    }
  }
  return places;
}

export interface EnvironmentOptions {
  /** As the whole platform was given it: each process gets of it what is its own. */
  readonly given: Environment;
  /** What the platform knows by now: Kafka, the node, files. */
  readonly found: Readonly<Record<string, string>>;
  readonly databaseUrl: string;
  readonly certificates: CertificateFiles;
  readonly places: readonly Place[];
}

/** The environment of one process: its own variables and no others. */
export function environmentOf(place: Place, options: EnvironmentOptions): Record<string, string> {
  const { settings } = FLEET.find(({ blueprint }) => blueprint.name === place.service)!;
  const { certificates } = options;
  const known: Record<string, string | undefined> = {
    ...options.given,
    ...options.found,
    ...Object.fromEntries(FLEET.map(({ blueprint: { name } }) => [addressVariable(name), addressesOf(name, options)])),
    DATABASE_URL: options.databaseUrl,
    INSTANCE: place.instance,
    GRPC_HOST: HOST,
    GRPC_PORT: String(place.ports.grpc),
    HTTP_HOST: HOST,
    HTTP_PORT: String(place.ports.http),
    INTERNAL_HOST: HOST,
    INTERNAL_PORT: String(place.ports.internal),
    TLS_CA_FILE: certificates.ca,
    TLS_CERT_FILE: certificates.certificate,
    TLS_KEY_FILE: certificates.key,
  };
  const names = [...Object.keys(settings.shape), ...INHERITED, ...openTelemetry(options.given)];
  return Object.fromEntries(names.flatMap((name) => (known[name] === undefined ? [] : [[name, known[name]]])));
}

/** Beside its settings: what Node and the C library read themselves. */
const INHERITED = ['PATH', 'HOME', 'TZ', 'LANG', 'MALLOC_ARENA_MAX', 'NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS', 'TMPDIR'];

/** The SDK reads its own variables. */
const openTelemetry = (given: Environment): string[] => Object.keys(given).filter((name) => name.startsWith('OTEL_'));

const addressesOf = (service: ServiceName, { places }: EnvironmentOptions): string =>
  places
    .filter((place) => place.service === service)
    .map(({ ports }) => `${HOST}:${ports.internal}`)
    .join(',');
