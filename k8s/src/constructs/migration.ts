import { createHash } from 'node:crypto';
import { k8s } from 'cdk8s-plus-33';
import { Construct } from 'constructs';
import type { Environment, Resources } from '../environment.ts';
import type { ServiceTraits } from '../services.ts';
import { databaseFiles } from './configuration.ts';
import { CONTAINER_SECURITY, fromSecret, POD_DEFAULTS, resourcesOf, selectorOf } from './pod.ts';

const RESOURCES: Resources = { cpuRequest: '100m', cpuLimit: '1', memoryRequest: '128Mi', memoryLimit: '384Mi' };
const ATTEMPTS_MAX = 5;
const SECONDS_MAX = 600;

export interface MigrationProps {
  readonly traits: ServiceTraits;
  readonly environment: Environment;
  /** Helm's hooks replace the Job of the last release; plain manifests need another name for every version, for a Job can't be changed. */
  readonly isHook: boolean;
}

/**
 * Makes a service's database role, schema and tables, or brings them up to date. A Job of its own rather than an init container: the credential that may
 * create roles isn't needed again when a pod restarts at night, and no pod of the service refers to it.
 */
export class Migration extends Construct {
  constructor(scope: Construct, id: string, { traits, environment, isHook }: MigrationProps) {
    super(scope, id);
    const { name } = traits;
    const labels = selectorOf(name, 'migration');
    const template = { metadata: { labels }, spec: podOf(traits, environment) };
    const version = createHash('sha256').update(JSON.stringify(template)).digest('hex').slice(0, 10);
    new k8s.KubeJob(this, 'job', {
      metadata: { name: isHook ? `${name}-migrate` : `${name}-migrate-${version}`, labels },
      spec: { backoffLimit: ATTEMPTS_MAX, activeDeadlineSeconds: SECONDS_MAX, template },
    });
  }
}

function podOf({ name }: ServiceTraits, environment: Environment): k8s.PodSpec {
  const { image, secrets } = environment.services[name];
  const mounts = databaseFiles(environment);
  return {
    ...POD_DEFAULTS,
    ...(environment.imagePullSecrets.length > 0 && {
      imagePullSecrets: environment.imagePullSecrets.map((each) => ({ name: each })),
    }),
    restartPolicy: 'OnFailure',
    containers: [
      {
        name: 'migrate',
        image,
        imagePullPolicy: environment.imagePullPolicy,
        args: ['migrate'],
        env: [
          fromSecret('DATABASE_URL', secrets.credentials, 'database-url'),
          fromSecret('DATABASE_ADMIN_URL', secrets.migration, 'database-admin-url'),
        ],
        resources: resourcesOf(RESOURCES),
        securityContext: CONTAINER_SECURITY,
        ...(mounts.length > 0 && { volumeMounts: mounts.map(({ mount }) => mount) }),
      },
    ],
    ...(mounts.length > 0 && { volumes: mounts.map(({ volume }) => volume) }),
  };
}
