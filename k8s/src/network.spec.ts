import { describe, expect, it } from 'vitest';
import { Cluster } from './cluster.fixture.ts';
import { LOCAL_SERVERS } from './constructs/local-servers.ts';
import { selectorOf } from './constructs/pod.ts';
import { ENVIRONMENTS } from './deploy.ts';
import type { Environment } from './environment.ts';
import { local } from './environments/local.ts';
import { production } from './environments/production.ts';
import { SERVICES } from './services.ts';
import { synthesize } from './platform.ts';

const pod = (name: string) => selectorOf(name, 'service');
const server = (name: string) => ({ 'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': 'finality' });
const stranger = { app: 'stranger' };

describe.each(ENVIRONMENTS.map((environment) => [environment.name, new Cluster(environment)] as const))(
  'the network of %s',
  (_name, cluster) => {
    it('lets nobody through by default', () => {
      const deny = cluster.ofKind('NetworkPolicy').find(({ metadata }) => metadata.name === 'default-deny');
      expect(deny?.['spec']).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
      expect(cluster.allows(stranger, pod('signer'), 50_067)).toBe(false);
      expect(cluster.allows(pod('signer'), stranger, 443)).toBe(false);
    });

    it('lets exactly the peers of a service call it', () => {
      for (const to of SERVICES) {
        const callers = SERVICES.filter((from) => cluster.allows(pod(from.name), pod(to.name), to.internalPort));
        const peers = SERVICES.filter((from) => from.peers.includes(to.name));
        expect(
          callers.map(({ name }) => name),
          to.name,
        ).toEqual(peers.map(({ name }) => name));
      }
    });

    it('lets nobody but settlement, address-issuer and reconciliation near the signer', () => {
      const callers = SERVICES.filter(({ name }) => cluster.allows(pod(name), pod('signer'), 50_067));
      expect(callers.map(({ name }) => name).toSorted()).toEqual(['address-issuer', 'reconciliation', 'settlement']);
      const signer = cluster.ofKind('NetworkPolicy').find(({ metadata }) => metadata.name === 'signer')!;
      expect(JSON.stringify(signer['spec'])).not.toContain(production.access.clientsNamespace);
    });

    it('opens no API for institutions to our own services, and no internal one to institutions', () => {
      for (const from of SERVICES)
        for (const to of SERVICES)
          if (to.grpcPort !== undefined)
            expect(cluster.allows(pod(from.name), pod(to.name), to.grpcPort), `${from.name} → ${to.name}`).toBe(false);
    });

    it('has a policy for every pod that runs', () => {
      const covered = cluster.workloads.filter(({ labels }) =>
        cluster.ofKind('NetworkPolicy').some(({ metadata, spec }) => {
          const { podSelector } = spec as { podSelector: { matchLabels?: Record<string, string> } };
          const wanted = Object.entries(podSelector.matchLabels ?? {});
          return metadata.name !== 'default-deny' && wanted.every(([name, text]) => labels[name] === text);
        }),
      );
      expect(covered.length).toBe(cluster.workloads.length);
    });

    it('names addresses, pods or a namespace in every rule: one without would allow all', () => {
      for (const { metadata, spec } of cluster.ofKind('NetworkPolicy')) {
        const { ingress = [], egress = [] } = spec as Record<
          'ingress' | 'egress',
          { from?: unknown[]; to?: unknown[]; ports?: unknown[] }[]
        >;
        for (const rule of [...ingress, ...egress]) {
          expect(rule.from ?? rule.to, metadata.name).not.toHaveLength(0);
          expect(rule.ports, metadata.name).not.toHaveLength(0);
        }
      }
    });
  },
);

describe('the network of local', () => {
  const cluster = new Cluster(local);
  const port = (name: string): number => LOCAL_SERVERS.find((each) => each.name === name)!.port;

  it('lets every service reach Kafka and the database, and only those that need one a node', () => {
    for (const { name, talksToNode } of SERVICES) {
      expect(cluster.allows(pod(name), server('kafka'), port('kafka'))).toBe(true);
      expect(cluster.allows(pod(name), server('postgres'), port('postgres'))).toBe(true);
      expect(cluster.allows(pod(name), server('bitcoin'), port('bitcoin')), name).toBe(talksToNode);
    }
  });

  it('lets migrations reach the database and nothing else', () => {
    const migration = selectorOf('settlement', 'migration');
    expect(cluster.allows(migration, server('postgres'), port('postgres'))).toBe(true);
    expect(cluster.allows(migration, server('kafka'), port('kafka'))).toBe(false);
    expect(cluster.allows(migration, pod('settlement'), 50_061)).toBe(false);
  });
});

describe('the network of production', () => {
  const cluster = new Cluster(production);
  const [first, second] = ['192.0.2.33', '198.51.100.33'];

  it('lets chain-watcher and reconciliation reach both nodes, their JSON-RPC and what they publish, and nobody else', () => {
    for (const { name, talksToNode } of SERVICES)
      for (const address of [first!, second!])
        for (const port of [8_332, 28_332])
          expect(cluster.allowsAddress(pod(name), address, port), `${name} → ${address}:${port}`).toBe(talksToNode);
  });

  it('tells chain-watcher of the second node, and asks for its login where there is one', () => {
    const container = cluster.workload('chain-watcher').pod.containers.find(({ name }) => name === 'chain-watcher')!;
    expect(cluster.environmentOf(container).get('BITCOIN_RPC_URL_2')).toBe(production.bitcoin.secondRpcUrl);
    const login = container.env!.find(({ name }) => name === 'BITCOIN_RPC_PASSWORD_2')!;
    expect(login.valueFrom?.secretKeyRef).toMatchObject({ key: 'bitcoin-rpc-password-2', optional: true });
  });
});

describe('a destination', () => {
  it('without addresses is refused rather than open to all', () => {
    const open: Environment = {
      ...production,
      kafka: { ...production.kafka, cluster: { kind: 'addresses', cidrs: [], ports: [9_094] } },
    };
    expect(() => synthesize(open)).toThrow('a destination without addresses or ports');
  });
});
