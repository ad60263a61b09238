import { addressIssuerProgram } from '@finality/address-issuer-app';
import { amlProgram } from '@finality/aml-app';
import { chainWatcherProgram } from '@finality/chain-watcher-app';
import type { ServiceName } from '@finality/contracts';
import { reconciliationProgram } from '@finality/reconciliation-app';
import { riskProgram } from '@finality/risk-app';
import { type ConfigSchema, PORTS_DEFAULT, readConfig, settingsOf } from '@finality/service';
import { settlementProgram } from '@finality/settlement-app';
import { signerProgram } from '@finality/signer-app';
import { describe, expect, it } from 'vitest';
import { Cluster } from './cluster.fixture.ts';
import { ENVIRONMENTS } from './deploy.ts';
import { addressVariable, SERVICES } from './services.ts';

/** What stands in for a secret when a configuration is read as the service would. */
const SECRETS: Readonly<Record<string, string>> = {
  DATABASE_URL: 'postgres://role:password@database.invalid:5432/finality',
};

const SCHEMAS: Readonly<Record<ServiceName, ConfigSchema>> = {
  settlement: settingsOf(settlementProgram),
  'address-issuer': settingsOf(addressIssuerProgram),
  'chain-watcher': settingsOf(chainWatcherProgram),
  risk: settingsOf(riskProgram),
  aml: settingsOf(amlProgram),
  signer: settingsOf(signerProgram),
  reconciliation: settingsOf(reconciliationProgram),
};

describe('what is said about the services here', () => {
  it('covers every service', () => {
    expect(SERVICES.map(({ name }) => name).toSorted()).toEqual(Object.keys(SCHEMAS).toSorted());
  });

  it.each(SERVICES)('$name: ports and peers are those that it declares', (traits) => {
    const variables = Object.keys(SCHEMAS[traits.name].shape);
    const peers = SERVICES.filter(({ name }) => variables.includes(addressVariable(name))).map(({ name }) => name);
    expect(traits.peers.toSorted()).toEqual(peers.toSorted());
    expect(traits.grpcPort !== undefined).toBe(variables.includes('GRPC_PORT'));
    expect(traits.talksToNode).toBe(variables.includes('BITCOIN_RPC_URL'));
    const { grpc, internal } = PORTS_DEFAULT[traits.name];
    expect([traits.grpcPort ?? grpc, traits.internalPort]).toEqual([grpc, internal]);
  });
});

describe.each(ENVIRONMENTS.map((environment) => [environment.name, new Cluster(environment)] as const))(
  'configuration in %s',
  (_name, cluster) => {
    const environmentOf = (service: ServiceName): ReadonlyMap<string, string | undefined> => {
      const container = cluster.workload(service).pod.containers.find(({ name }) => name === service);
      return cluster.environmentOf(container!);
    };

    it.each(SERVICES)('$name knows every variable that is set', ({ name }) => {
      const known = Object.keys(SCHEMAS[name].shape);
      expect([...environmentOf(name).keys()].filter((variable) => !known.includes(variable))).toEqual([]);
    });

    it.each(SERVICES)('$name finds all that it requires, and nothing it refuses', ({ name }) => {
      const given = [...environmentOf(name)].map(([variable, text]): [string, string] => [
        variable,
        text ?? SECRETS[variable] ?? 'secret',
      ]);
      expect(() => readConfig(Object.fromEntries(given), SCHEMAS[name])).not.toThrow();
    });

    it.each(SERVICES)('$name listens where its ports and probes are', ({ name, grpcPort, internalPort }) => {
      const env = environmentOf(name);
      const [container] = cluster.workload(name).pod.containers;
      const port = (portName: string): number | undefined =>
        container!.ports?.find((each) => each.name === portName)?.containerPort;
      expect(port('http')).toBe(Number(env.get('HTTP_PORT')));
      expect(port('internal')).toBe(Number(env.get('INTERNAL_PORT')));
      expect(port('internal')).toBe(internalPort);
      expect(port('grpc')).toBe(grpcPort);
      if (grpcPort !== undefined) expect(Number(env.get('GRPC_PORT'))).toBe(grpcPort);
      for (const host of ['HTTP_HOST', 'INTERNAL_HOST']) expect(env.get(host)).toBe('0.0.0.0');
    });

    it.each(SERVICES)('$name has a mount for every file that it is told of', ({ name }) => {
      const mounts = cluster.workload(name).pod.containers[0]!.volumeMounts!.map(({ mountPath }) => mountPath);
      for (const [variable, file] of environmentOf(name)) {
        if (!variable.endsWith('_FILE')) continue;
        expect(mounts, variable).toContain(file!.slice(0, file!.lastIndexOf('/')));
      }
    });
  },
);
