import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { manifestsOf } from '../deploy.ts';
import { production } from '../environments/production.ts';
import type { Manifest } from '../platform.ts';
import { CHART, helm, isHelmHere, template } from './helm.fixture.ts';

const CERTIFICATE_API = '--api-versions=cert-manager.io/v1';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'finality-helm-'));
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** An argument with values over the chart's own. */
function values(over: object): string {
  const file = path.join(directory, `values-${Math.random()}.yaml`);
  writeFileSync(file, stringify(over));
  return `--values=${file}`;
}

const find = (manifests: readonly Manifest[], kind: string, name: string): Manifest => {
  const found = manifests.find((each) => each.kind === kind && each.metadata.name === name);
  if (!found) throw new Error(`there is no ${kind} ${name}`);
  return found;
};

/** Without what only Helm's objects have, and what names a version of the settings or of a Job. */
function comparable(manifest: Manifest): unknown {
  const { annotations: _hooks, namespace: _namespace, ...metadata } = manifest.metadata as Record<string, unknown>;
  const {
    'app.kubernetes.io/managed-by': _by,
    'helm.sh/chart': _chart,
    ...labels
  } = metadata['labels'] as Record<string, unknown>;
  const name = String(metadata['name']).replace(/-migrate-[0-9a-f]{10}$/, '-migrate');
  const text = JSON.stringify({ ...manifest, metadata: { ...metadata, name, labels } });
  return JSON.parse(text.replace(/"finality\/settings-digest":"[0-9a-f]{64}"/g, '"finality/settings-digest":""'));
}

const keyOf = ({ kind, metadata }: Manifest): string => `${kind}/${metadata.name.replace(/-migrate-.*/, '-migrate')}`;

describe.runIf(isHelmHere)('the Helm chart', () => {
  it('passes helm lint --strict', async () => {
    const { code, stdout } = await helm('lint', '--strict', CHART);
    expect(stdout).toContain('1 chart(s) linted, 0 chart(s) failed');
    expect(code).toBe(0);
  });

  it('makes of its own values exactly what the manifests of production are', async () => {
    const made = new Map((await template(CERTIFICATE_API)).map((each) => [keyOf(each), comparable(each)]));
    const manifests = [...manifestsOf(production).values()].flat().filter(({ kind }) => kind !== 'Namespace');
    expect([...made.keys()].toSorted()).toEqual(manifests.map(keyOf).toSorted());
    for (const manifest of manifests) expect(made.get(keyOf(manifest)), keyOf(manifest)).toEqual(comparable(manifest));
  });

  it('takes registry, tags, digests, resources, replicas, endpoints, names of Secrets and settings from values', async () => {
    const manifests = await template(
      values({
        image: { registry: 'images.bank.example', tag: '1.2.3', pullSecrets: [] },
        kafka: { brokers: ['k:1', 'l:2'], cidrs: ['10.1.0.0/16', '10.2.0.0/16'], port: 9_999, caSecret: 'bank-kafka' },
        services: {
          risk: {
            image: { digest: `sha256:${'a'.repeat(64)}` },
            resources: { limits: { memory: '3Gi' } },
            secrets: { credentials: 'bank-risk' },
            settings: { RISK_REVIEW_SCORE: '30' },
          },
          aml: { image: { digest: '' }, replicas: 0 },
          settlement: { replicas: 3 },
        },
      }),
    );
    const risk = JSON.stringify(find(manifests, 'Deployment', 'risk'));
    expect(risk).toContain(`"image":"images.bank.example/risk:1.2.3@sha256:${'a'.repeat(64)}"`);
    for (const part of ['"memory":"3Gi"', '"name":"bank-risk"', '"secretName":"bank-kafka"'])
      expect(risk).toContain(part);
    expect(find(manifests, 'ConfigMap', 'risk')['data']).toMatchObject({
      KAFKA_BROKERS: 'k:1,l:2',
      RISK_REVIEW_SCORE: '30',
      SETTLEMENT_ADDRESS:
        'settlement-0.settlement-read:50061,settlement-1.settlement-read:50061,settlement-2.settlement-read:50061',
    });
    expect(find(manifests, 'Deployment', 'aml')['spec']).toMatchObject({ replicas: 0 });
    expect(JSON.stringify(find(manifests, 'Deployment', 'aml'))).toContain('"image":"images.bank.example/aml:1.2.3"');
    expect(find(manifests, 'StatefulSet', 'settlement')['spec']).toMatchObject({ replicas: 3 });
    const { egress } = find(manifests, 'NetworkPolicy', 'risk')['spec'] as { egress: unknown[] };
    expect(egress).toContainEqual({
      ports: [{ port: 9_999, protocol: 'TCP' }],
      to: [{ ipBlock: { cidr: '10.1.0.0/16' } }, { ipBlock: { cidr: '10.2.0.0/16' } }],
    });
  });

  it('runs with one node, where nothing waits for two to agree', async () => {
    const bitcoin = { secondRpcUrl: '', cidrs: ['10.1.0.0/16'], ports: [8_332] };
    const settlement = { settings: { AGREE_FROM_SATS: '' } };
    const manifests = await template(values({ bitcoin, services: { settlement } }));
    expect(find(manifests, 'ConfigMap', 'chain-watcher')['data']).toMatchObject({ BITCOIN_RPC_URL_2: '' });
    const { egress } = find(manifests, 'NetworkPolicy', 'chain-watcher')['spec'] as { egress: unknown[] };
    expect(egress).toContainEqual({
      ports: [{ port: 8_332, protocol: 'TCP' }],
      to: [{ ipBlock: { cidr: '10.1.0.0/16' } }],
    });
  });

  it('leaves certificates to others where cert-manager is not', async () => {
    const manifests = await template(values({ certificates: { certManager: false } }));
    expect(manifests.filter(({ kind }) => kind === 'Certificate')).toEqual([]);
    expect(find(manifests, 'Deployment', 'signer')).toBeDefined();
  });

  it('migrates before it installs or upgrades', async () => {
    const jobs = (await template()).filter(({ kind }) => kind === 'Job');
    expect(jobs).toHaveLength(7);
    for (const { metadata } of jobs) {
      expect(metadata['annotations']).toEqual({
        'helm.sh/hook': 'pre-install,pre-upgrade',
        'helm.sh/hook-delete-policy': 'before-hook-creation',
      });
    }
  });

  it('replaces the pods of a service, and of no other, when its settings change', async () => {
    const digests = async (...args: string[]): Promise<ReadonlyMap<string, string>> => {
      const workloads = (await template(...args)).filter(({ kind }) => /Deployment|StatefulSet/.test(kind));
      return new Map(
        workloads.map(({ metadata, spec }) => {
          const { template: pods } = spec as { template: { metadata: { annotations: Record<string, string> } } };
          return [metadata.name, pods.metadata.annotations['finality/settings-digest']!];
        }),
      );
    };
    const before = await digests();
    const after = await digests(values({ services: { aml: { settings: { AML_LARGE_DEPOSIT_SATS: '1' } } } }));
    expect([...after].filter(([name, digest]) => before.get(name) !== digest).map(([name]) => name)).toEqual(['aml']);
  });

  const refused: readonly (readonly [what: string, over: object, says: string])[] = [
    ['a name that values do not have', { kafka: { broker: ['k:1'] } }, 'broker'],
    ['an address that is none', { postgres: { cidrs: ['database.example'] } }, '/postgres/cidrs'],
    ['a policy that would be open to all', { kafka: { cidrs: [] } }, '/kafka/cidrs'],
    [
      'two processes of a service that has no standby',
      { services: { signer: { replicas: 2 } } },
      '/services/signer/replicas',
    ],
    [
      'a setting that is said elsewhere',
      { services: { aml: { settings: { LOG_LEVEL: 'debug' } } } },
      "invalid propertyName 'LOG_LEVEL'",
    ],
    [
      'a setting that is no text',
      { services: { aml: { settings: { AML_LARGE_DEPOSIT_SATS: 1 } } } },
      '/services/aml/settings',
    ],
    [
      'an image that nobody can name',
      { services: { aml: { image: { digest: '' } } } },
      'services.aml.image.digest or image.tag',
    ],
    ['amounts that would wait for a second node for ever', { bitcoin: { secondRpcUrl: '' } }, 'AGREE_FROM_SATS'],
    ['a password in the address of the node', { bitcoin: { rpcUrl: 'http://u:p@node:8332' } }, '/bitcoin/rpcUrl'],
  ];
  it.each(refused)('refuses %s', async (_what, over, says) => {
    await expect(template(values(over))).rejects.toThrow(says);
  });
});
