import type { ServiceName } from '@finality/contracts';
import { k8s } from 'cdk8s-plus-33';
import { Construct } from 'constructs';
import type { Environment, Resources } from '../environment.ts';
import { HTTP_PORT, LABEL_HEALTH_PORT, podNames, STANDBY_REPLICAS_MAX } from '../services.ts';
import { CONTAINER_SECURITY, fromField, livenessOf, resourcesOf, value } from './pod.ts';

/** `leader` or `standby`, kept true by the sidecar. */
export const ROLE_LABEL = 'finality/role';

const RESOURCES: Resources = { cpuRequest: '10m', cpuLimit: '200m', memoryRequest: '64Mi', memoryLimit: '128Mi' };
const TOKEN_SECONDS = 3_600;
const CREDENTIALS = '/var/run/secrets/kubernetes.io/serviceaccount';
const CREDENTIALS_MODE = 0o440;

/**
 * What keeps the label of the leader (docker/leader-label.ts): a sidecar, and the right to change the labels of exactly these pods. Its credentials are
 * mounted into the sidecar alone.
 */
export class LeaderLabel extends Construct {
  readonly container: k8s.Container;
  readonly volume: k8s.Volume;

  constructor(scope: Construct, id: string, props: { service: ServiceName; environment: Environment }) {
    super(scope, id);
    const { service, environment } = props;
    const pods = podNames(service, STANDBY_REPLICAS_MAX);
    const name = `${service}-leader-label`;
    new k8s.KubeRole(this, 'role', {
      metadata: { name },
      rules: [{ apiGroups: [''], resources: ['pods'], resourceNames: [...pods], verbs: ['patch'] }],
    });
    new k8s.KubeRoleBinding(this, 'binding', {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name: service }],
    });
    this.volume = credentials();
    this.container = {
      name: 'leader-label',
      image: environment.services[service].image,
      imagePullPolicy: environment.imagePullPolicy,
      command: ['node', '/app/docker/leader-label.ts'],
      env: [
        fromField('POD_NAME', 'metadata.name'),
        fromField('POD_NAMESPACE', 'metadata.namespace'),
        value('PODS', pods.join(',')),
        value('READYZ_URL', `http://127.0.0.1:${HTTP_PORT}/readyz`),
        value('HEALTH_PORT', String(LABEL_HEALTH_PORT)),
      ],
      ports: [{ name: 'label-health', containerPort: LABEL_HEALTH_PORT }],
      livenessProbe: livenessOf('label-health'),
      readinessProbe: livenessOf('label-health'),
      resources: resourcesOf(RESOURCES),
      securityContext: CONTAINER_SECURITY,
      volumeMounts: [{ name: this.volume.name, mountPath: CREDENTIALS, readOnly: true }],
    };
  }
}

/** What Kubernetes mounts into every container by default, as a volume of our own: for one of them. */
function credentials(): k8s.Volume {
  return {
    name: 'kubernetes-credentials',
    projected: {
      defaultMode: CREDENTIALS_MODE,
      sources: [
        { serviceAccountToken: { path: 'token', expirationSeconds: TOKEN_SECONDS } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      ],
    },
  };
}
