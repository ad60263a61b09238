import { App, Chart } from 'cdk8s';
import { k8s } from 'cdk8s-plus-33';
import type { ServiceName } from '@finality/contracts';
import { ServiceCertificate } from './constructs/certificate.ts';
import { FinalityService } from './constructs/finality-service.ts';
import { Migration } from './constructs/migration.ts';
import { DefaultDeny, MigrationPolicy, ServicePolicy } from './constructs/network.ts';
import { PART_OF } from './constructs/pod.ts';
import type { Environment } from './environment.ts';
import { SERVICES } from './services.ts';

/** A Kubernetes object as JSON. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

/** Files in the order in which they are to be applied; the objects of each likewise. */
export type ManifestFiles = ReadonlyMap<string, readonly Manifest[]>;

export interface PlatformOptions {
  readonly isHelm?: boolean;
  /** See FinalityService. */
  readonly settingsDigestOf?: (service: ServiceName) => string;
  /** What an environment brings with it besides the services. */
  readonly extras?: (chart: Chart) => void;
}

/** Synthesises the whole platform for an environment. Deterministic. */
export function synthesize(environment: Environment, options: PlatformOptions = {}): ManifestFiles {
  const app = new App();
  const files = new Map<string, readonly Manifest[]>();
  const file = (name: string, fill: (chart: Chart) => void): void => {
    const chart = new Chart(app, name, {
      ...(environment.namespace !== undefined && { namespace: environment.namespace }),
      disableResourceNameHashes: true,
    });
    fill(chart);
    files.set(name, (chart.toJson() as Manifest[]).map(labelled));
  };
  if (environment.namespace !== undefined) file('namespace', (chart) => makeNamespace(chart, environment.namespace!));
  file('network', (chart) => {
    new DefaultDeny(chart, 'deny');
    new MigrationPolicy(chart, 'migrations', { environment });
    for (const traits of SERVICES) new ServicePolicy(chart, traits.name, { traits, environment });
  });
  const { certificateIssuer: issuer } = environment;
  if (issuer) {
    file('certificates', (chart) => {
      for (const traits of SERVICES) {
        const secretName = environment.services[traits.name].secrets.tls;
        new ServiceCertificate(chart, traits.name, { traits, issuer, secretName });
      }
    });
  }
  if (options.extras) file('dependencies', options.extras);
  file('migrations', (chart) => {
    const isHook = options.isHelm ?? false;
    for (const traits of SERVICES) new Migration(chart, traits.name, { traits, environment, isHook });
  });
  for (const traits of SERVICES) {
    const settingsDigest = options.settingsDigestOf?.(traits.name);
    file(traits.name, (chart) => {
      new FinalityService(chart, traits.name, {
        traits,
        environment,
        ...(settingsDigest !== undefined && { settingsDigest }),
      });
    });
  }
  return files;
}

/** Pods that don't keep to the `restricted` standard aren't even started here. */
function makeNamespace(chart: Chart, name: string): void {
  new k8s.KubeNamespace(chart, 'namespace', {
    metadata: {
      name,
      labels: {
        'pod-security.kubernetes.io/enforce': 'restricted',
        'pod-security.kubernetes.io/warn': 'restricted',
      },
    },
  });
}

function labelled(manifest: Manifest): Manifest {
  // A namespace is in none.
  const { namespace, ...metadata } = manifest.metadata as { name: string; namespace?: string; labels?: object };
  const labels = { ...metadata.labels, 'app.kubernetes.io/part-of': PART_OF };
  const isInNamespace = namespace !== undefined && manifest.kind !== 'Namespace';
  return { ...manifest, metadata: { ...metadata, labels, ...(isInNamespace && { namespace }) } };
}
