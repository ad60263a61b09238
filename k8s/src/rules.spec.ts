import { describe, expect, it } from 'vitest';
import { Cluster, type Container, type Workload } from './cluster.fixture.ts';
import { LOCAL_SERVERS } from './constructs/local-servers.ts';
import { ENVIRONMENTS } from './deploy.ts';
import { production } from './environments/production.ts';
import { SERVICES, STANDBY_SERVICE } from './services.ts';

/** Its image writes its configuration into its own folders; it is for trying out only. */
const WRITES_TO_ITS_ROOT = ['kafka'];
/** What a service needs to end well: its own deadline (libs/service), and the pause before it. */
const STOP_SECONDS_MAX = 9;

describe.each(ENVIRONMENTS.map((environment) => [environment.name, new Cluster(environment)] as const))(
  '%s',
  (name, cluster) => {
    const workloads = cluster.workloads.map((workload): [string, Workload] => [
      `${workload.kind} ${workload.name}`,
      workload,
    ]);
    const containers = workloads.flatMap(([what, { kind, pod }]) =>
      [...(pod.initContainers ?? []), ...pod.containers].map((container): [string, string, Container] => [
        `${what}: ${container.name}`,
        kind,
        container,
      ]),
    );
    const isServer = (workload: Workload): boolean => LOCAL_SERVERS.some((server) => server.name === workload.name);

    it('runs every service, and migrates it', () => {
      for (const { name: service } of SERVICES) {
        expect(cluster.workload(service).pod.containers[0]!.name).toBe(service);
        expect(cluster.workload(service, 'migration').pod.containers.map(({ args }) => args)).toEqual([['migrate']]);
      }
    });

    it.each(containers)('%s has limits, and cannot become more than it is', (_what, _kind, container) => {
      expect(container.resources).toEqual({
        requests: { cpu: expect.any(String) as string, memory: expect.any(String) as string },
        limits: { cpu: expect.any(String) as string, memory: expect.any(String) as string },
      });
      expect(container.securityContext).toMatchObject({
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        readOnlyRootFilesystem: !WRITES_TO_ITS_ROOT.includes(container.name),
        runAsNonRoot: true,
      });
    });

    it.each(containers)('%s runs an image that is pinned', (_what, _kind, { image }) => {
      expect(image).toMatch(name === 'production' ? /@sha256:[0-9a-f]{64}$/ : /:[^:/]+$/);
      expect(image).not.toMatch(/:latest$/);
    });

    it.each(containers.filter(([, kind]) => kind !== 'Job'))('%s is probed', (_what, _kind, container) => {
      expect(container.livenessProbe).toBeDefined();
      expect(container.readinessProbe).toBeDefined();
      for (const probe of [container.livenessProbe, container.readinessProbe]) {
        const port = probe?.httpGet?.port;
        if (port !== undefined) expect(container.ports?.map((each) => each.name)).toContain(port);
      }
    });

    it.each(workloads)('%s runs as nobody in particular, without credentials for the cluster', (_what, { pod }) => {
      expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      expect(Number(pod.securityContext?.['runAsUser'])).toBeGreaterThan(0);
      expect(pod.automountServiceAccountToken).toBe(false);
      expect(pod.enableServiceLinks).toBe(false);
    });

    it('gives only the sidecar that labels the leader a way to the cluster, and that to these pods alone', () => {
      const withCredentials = cluster.workloads.flatMap(({ pod }) => {
        const volumes = (pod.volumes ?? []).filter(({ projected }) => projected !== undefined);
        return pod.containers.filter(({ volumeMounts = [] }) =>
          volumeMounts.some((mount) => volumes.some((volume) => volume.name === mount.name)),
        );
      });
      expect(withCredentials.map((container) => container.name)).toEqual(['leader-label']);
      expect(cluster.ofKind('ClusterRole', 'ClusterRoleBinding')).toEqual([]);
      expect(cluster.ofKind('Role').map(({ rules }) => rules)).toEqual([
        [
          {
            apiGroups: [''],
            resources: ['pods'],
            resourceNames: ['settlement-0', 'settlement-1', 'settlement-2'],
            verbs: ['patch'],
          },
        ],
      ]);
    });

    it.each(workloads.filter(([, workload]) => workload.kind !== 'Job' && !isServer(workload)))(
      '%s has time to end, is spread, and has an account of its own',
      (_what, { labels, pod }) => {
        const pause = pod.containers[0]!.lifecycle?.preStop?.sleep?.seconds ?? 0;
        expect(pause).toBeGreaterThan(0);
        expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(pause + STOP_SECONDS_MAX);
        expect(pod.serviceAccountName).toBe(labels['app.kubernetes.io/name']);
        expect(pod.topologySpreadConstraints?.map(({ topologyKey }) => topologyKey)).toEqual([
          'kubernetes.io/hostname',
          'topology.kubernetes.io/zone',
        ]);
      },
    );

    it('never lets a second process of a service stand in the way of the first one: it is ready when it stands by', () => {
      for (const { name: service } of SERVICES) {
        const [container] = cluster.workload(service).pod.containers;
        expect(container!.readinessProbe?.httpGet?.path).toBe('/readyz?standby=ok');
        expect(container!.livenessProbe?.httpGet?.path).toBe('/healthz');
      }
    });

    it('runs settlement twice and the others once, and never scales who writes alone', () => {
      for (const { name: service } of SERVICES) {
        const { kind, spec } = cluster.workload(service);
        const hasStandby = service === STANDBY_SERVICE;
        expect([kind, spec['replicas']]).toEqual(hasStandby ? ['StatefulSet', 2] : ['Deployment', 1]);
      }
      expect(cluster.ofKind('HorizontalPodAutoscaler')).toEqual([]);
      expect(cluster.ofKind('PodDisruptionBudget').map(({ metadata, spec }) => [metadata.name, spec])).toEqual([
        ['settlement', expect.objectContaining({ maxUnavailable: 1 })],
      ]);
    });

    it('leads clients to the leader, and peers to every replica', () => {
      const service = (wanted: string) =>
        cluster.ofKind('Service').find(({ metadata }) => metadata.name === wanted)!['spec'] as Record<string, unknown>;
      expect(service('settlement')['selector']).toMatchObject({ 'finality/role': 'leader' });
      expect(service('settlement-read')).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true });
      expect(service('settlement-read')['selector']).not.toHaveProperty('finality/role');
      expect(cluster.workload('settlement').spec['serviceName']).toBe('settlement-read');
      expect(cluster.environmentOf(cluster.workload('risk').pod.containers[0]!).get('SETTLEMENT_ADDRESS')).toBe(
        'settlement-0.settlement-read:50061,settlement-1.settlement-read:50061',
      );
    });

    it('has no secret in it, only names of Secrets', () => {
      expect(cluster.ofKind('Secret')).toEqual([]);
      for (const [, , container] of containers) {
        for (const [variable, text] of cluster.environmentOf(container)) {
          if (/PASSWORD|DATABASE_URL|ADMIN_URL|USERNAME|_USER$|_AUTH$/.test(variable))
            expect(text, variable).toBeUndefined();
        }
      }
      expect(JSON.stringify(cluster.manifests)).not.toMatch(/:\/\/[^/\s"]+:[^/\s"]+@|BEGIN [A-Z ]*PRIVATE KEY/);
    });

    it('keeps the credential that may create roles out of every service', () => {
      for (const { kind, pod } of cluster.workloads) {
        const secrets = JSON.stringify(pod).match(/"[a-z-]+-migration"/g) ?? [];
        expect(secrets.length > 0).toBe(kind === 'Job');
      }
    });

    it('has pods of the namespace that keep to the restricted standard or are not started', () => {
      const [namespace] = cluster.ofKind('Namespace');
      expect(namespace?.metadata['labels']).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'restricted' });
    });

    it('names every object once', () => {
      const names = cluster.manifests.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
      expect(new Set(names).size).toBe(names.length);
    });
  },
);

describe('production', () => {
  it('talks to Kafka over TLS with a login, to three brokers', () => {
    const cluster = new Cluster(production);
    for (const { name } of SERVICES) {
      const env = cluster.environmentOf(cluster.workload(name).pod.containers[0]!);
      expect(env.get('KAFKA_TLS')).toBe('true');
      expect(env.get('KAFKA_SASL_MECHANISM')).toBe('scram-sha-512');
      expect(env.get('KAFKA_BROKERS')!.split(',')).toHaveLength(3);
      expect(env.has('KAFKA_PASSWORD')).toBe(true);
    }
  });

  it('brings no server of its own, and a certificate for every service', () => {
    const cluster = new Cluster(production);
    expect(cluster.workloads.filter(({ name }) => LOCAL_SERVERS.some((server) => server.name === name))).toEqual([]);
    expect(cluster.ofKind('Certificate').map(({ spec }) => (spec as { uris: string[] }).uris)).toEqual(
      SERVICES.map(({ name }) => [`spiffe://finality/${name}`]),
    );
  });

  it('never puts both replicas of settlement on one node', () => {
    const [byNode] = new Cluster(production).workload('settlement').pod.topologySpreadConstraints!;
    expect(byNode).toMatchObject({ topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'DoNotSchedule' });
  });

  it('replaces pods when their settings change', () => {
    const digest = (settings: Record<string, string>): string => {
      const { services } = production;
      const changed = { ...production, services: { ...services, aml: { ...services.aml, settings } } };
      const deployment = new Cluster(changed).ofKind('Deployment').find(({ metadata }) => metadata.name === 'aml')!;
      return JSON.stringify((deployment['spec'] as { template: { metadata: unknown } }).template.metadata);
    };
    expect(digest({ AML_LARGE_DEPOSIT_SATS: '1' })).not.toBe(digest({ AML_LARGE_DEPOSIT_SATS: '2' }));
  });

  it('runs a migration of another version under another name, for a Job cannot be changed', () => {
    const nameOf = (digest: string): string => {
      const { services } = production;
      const image = `registry.example.com/finality/aml@sha256:${digest.repeat(64)}`;
      const changed = { ...production, services: { ...services, aml: { ...services.aml, image } } };
      return new Cluster(changed).workload('aml', 'migration').name;
    };
    expect(nameOf('1')).not.toBe(nameOf('2'));
    expect(nameOf('1')).toBe(nameOf('1'));
  });
});
