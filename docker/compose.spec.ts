import { readFileSync } from 'node:fs';
import path from 'node:path';
import { addressIssuerProgram } from '@finality/address-issuer-app';
import { amlProgram } from '@finality/aml-app';
import { chainWatcherProgram } from '@finality/chain-watcher-app';
import { reconciliationProgram } from '@finality/reconciliation-app';
import { riskProgram } from '@finality/risk-app';
import { type ConfigSchema, readConfig, settingsOf } from '@finality/service';
import { settlementProgram } from '@finality/settlement-app';
import { signerProgram } from '@finality/signer-app';
import { KAFKA_VERSION } from '@finality/tools/servers/kafka-jars.ts';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { composeEnv, makeSecrets } from '../k8s/src/secrets.ts';

interface Service {
  readonly image: string;
  readonly user?: string;
  readonly build?: { readonly target?: string; readonly args?: { readonly APP?: string } };
  readonly command?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly configs?: readonly { readonly source: string }[];
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly restart?: string;
  readonly mem_limit?: string;
  readonly pids_limit?: number;
  readonly privileged?: boolean;
}
interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly configs: Readonly<Record<string, { readonly file: string }>>;
}

const text = readFileSync(path.join(import.meta.dirname, 'compose.yaml'), 'utf8');
const compose = parse(text, { merge: true, maxAliasCount: -1 }) as Compose;
const services = Object.entries(compose.services);
const SCHEMAS: Readonly<Record<string, ConfigSchema>> = {
  settlement: settingsOf(settlementProgram),
  'address-issuer': settingsOf(addressIssuerProgram),
  'chain-watcher': settingsOf(chainWatcherProgram),
  risk: settingsOf(riskProgram),
  aml: settingsOf(amlProgram),
  signer: settingsOf(signerProgram),
  reconciliation: settingsOf(reconciliationProgram),
};
const ofService = (name: string): string => name.replace(/-\d$/, '');
const own = services.filter(([name, { command }]) => ofService(name) in SCHEMAS && command === undefined);
const migrations = services.filter(([, { command }]) => command?.[0] === 'migrate');
/** As Compose fills it in from docker/.env. */
const env = Object.fromEntries(
  composeEnv(makeSecrets((bytes) => Buffer.alloc(bytes, 7)))
    .trim()
    .split('\n')
    .map((line) => /^([A-Z_]+)='([^']*)'$/.exec(line)!)
    .map(([, name, value]) => [name!, value!]),
);

function filled(value: string): string {
  return value.replace(/\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}/g, (_all, name: string, fallback?: string) => {
    const found = env[name] ?? fallback;
    if (found === undefined) throw new Error(`docker/.env has no ${name}`);
    return found;
  });
}

describe('compose.yaml', () => {
  it('runs every service, settlement twice, and migrates each once', () => {
    const names = Object.keys(SCHEMAS).toSorted();
    expect([...new Set(own.map(([name]) => ofService(name)))].toSorted()).toEqual(names);
    expect(own.filter(([name]) => ofService(name) === 'settlement')).toHaveLength(2);
    expect(migrations.map(([name]) => name.replace(/-migrate$/, '')).toSorted()).toEqual(names);
  });

  it.each(services)('%s can do no more than it has to', (name, service) => {
    expect(service.cap_drop).toEqual(['ALL']);
    expect(service.security_opt).toEqual(['no-new-privileges:true']);
    expect(service.privileged).toBeUndefined();
    expect(service.cap_add !== undefined).toBe(name === 'bitcoin');
    expect(service.read_only ?? false).toBe(name !== 'bitcoin' && name !== 'kafka');
    expect(service.mem_limit).toBeDefined();
    expect(service.pids_limit).toBeDefined();
    expect(service.restart).toBeDefined();
  });

  it.each(services)('%s listens on loopback only', (_name, { ports = [] }) => {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });

  it('gives no port of the machine to two', () => {
    const ports = services.flatMap(([, each]) => each.ports ?? []).map((port) => port.split(':')[1]);
    expect(new Set(ports).size).toBe(ports.length);
  });

  it.each(services)('%s is an image of a version', (_name, { image }) => {
    expect(image).toMatch(/^[a-z/-]+:(?!latest$)[\w.-]+$/);
  });

  it('runs the Kafka that tests run', () => {
    expect(compose.services['kafka']!.image).toBe(`apache/kafka:${KAFKA_VERSION}`);
  });

  it.each(services)('%s waits until what it needs is well', (name, { depends_on: needs = {} }) => {
    for (const [needed, { condition }] of Object.entries(needs)) {
      const target = compose.services[needed]!;
      const isOnce = target.restart === 'on-failure:5';
      expect(condition, needed).toBe(isOnce ? 'service_completed_successfully' : 'service_healthy');
      // The image of our services brings its own.
      if (!isOnce) expect(target.healthcheck, needed).toBeDefined();
    }
    if (ofService(name) in SCHEMAS && !name.endsWith('-migrate')) {
      const servers = ['certificates', 'kafka', 'postgres', `${ofService(name)}-migrate`];
      expect(Object.keys(needs)).toEqual(expect.arrayContaining(servers));
      expect('bitcoin' in needs).toBe('BITCOIN_RPC_URL' in SCHEMAS[ofService(name)]!.shape);
    }
  });

  it.each(own)('%s is told what it requires, and nothing that it refuses', (name, { environment = {} }) => {
    const schema = SCHEMAS[ofService(name)]!;
    const given = Object.fromEntries(Object.entries(environment).map(([variable, value]) => [variable, filled(value)]));
    const image = { HTTP_HOST: '0.0.0.0', HTTP_PORT: '8080', GRPC_HOST: '0.0.0.0', INTERNAL_HOST: '0.0.0.0' };
    expect(() => readConfig({ ...image, ...given }, schema)).not.toThrow();
    // Addresses of all peers are one block for all services.
    const unknown = Object.keys(environment).filter((variable) => !(variable in schema.shape));
    expect(unknown.filter((variable) => !/_ADDRESS$|^BITCOIN_NETWORK$/.test(variable))).toEqual([]);
    const peers = Object.keys(schema.shape).filter((variable) => variable.endsWith('_ADDRESS'));
    for (const target of peers.flatMap((variable) => given[variable]!.split(',')))
      expect(compose.services, target).toHaveProperty([target.split(':')[0]!]);
  });

  it.each(own)('%s reaches its peers where they listen', (_name, { environment = {} }) => {
    for (const [variable, value] of Object.entries(environment).filter(([each]) => each.endsWith('_ADDRESS'))) {
      const peer = variable
        .replace(/_ADDRESS$/, '')
        .toLowerCase()
        .replaceAll('_', '-');
      const listens = String(SCHEMAS[peer]!.shape['INTERNAL_PORT']!.safeParse(undefined).data);
      for (const target of value.split(',')) expect(target.split(':')[1], target).toBe(listens);
    }
  });

  it.each(migrations)('%s makes the role that the service logs in with', (name, { environment = {} }) => {
    const service = own.find(([each]) => ofService(each) === name.replace(/-migrate$/, ''))![1];
    expect(environment['DATABASE_URL']).toBe(service.environment?.['DATABASE_URL']);
    expect(new URL(filled(environment['DATABASE_URL']!)).username).toBe(
      `finality_${name.replace(/-migrate$/, '').replaceAll('-', '_')}`,
    );
    expect(filled(environment['DATABASE_ADMIN_URL']!)).toMatch(/^postgres:\/\/postgres:[^@]+@postgres:5432\//);
  });

  it('lets a service see its own certificate and no other’s, and the authority nobody but who issues', () => {
    for (const [name, { volumes = [] }] of own) {
      const tls = volumes.filter((volume) => /-tls:|authority:/.test(volume));
      expect(tls, name).toEqual([`${ofService(name)}-tls:/var/run/finality/tls:ro`]);
    }
    const issued = compose.services['certificates']!.volumes!.map((volume) => volume.split(':'));
    expect(issued.map(([volume]) => volume).toSorted()).toEqual(
      ['authority', ...Object.keys(SCHEMAS).map((name) => `${name}-tls`)].toSorted(),
    );
    for (const [volume, place] of issued) expect(place).toBe(`/certificates/${volume!.replace(/-tls$/, '')}`);
  });

  it('declares every volume and config that is used, and no other', () => {
    const used = services.flatMap(([, each]) => (each.volumes ?? []).map((volume) => volume.split(':')[0]!));
    expect([...new Set(used)].toSorted()).toEqual(Object.keys(compose.volumes).toSorted());
    const configs = services.flatMap(([, each]) => (each.configs ?? []).map(({ source }) => source));
    expect([...new Set(configs)]).toEqual(Object.keys(compose.configs));
  });

  it('holds no secret: each comes from docker/.env, which is made of random ones and is not committed', () => {
    expect(text).not.toMatch(/:\/\/[^/\s"$]+:[^$/\s"][^/\s"]*@/);
    const wanted = [...text.matchAll(/\$\{(\w+):\?/g)].map(([, name]) => name!);
    expect([...new Set(wanted)].filter((name) => !(name in env))).toEqual([]);
    const ignored = readFileSync(path.join(import.meta.dirname, '../.gitignore'), 'utf8').split('\n');
    expect(ignored).toEqual(expect.arrayContaining(['docker/.env', 'docker/first-keys.json']));
  });
});
