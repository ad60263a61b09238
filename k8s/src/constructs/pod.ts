import { k8s } from 'cdk8s-plus-33';
import { HTTP_PORT } from '../services.ts';
import type { Resources } from '../environment.ts';

/** The image's user; no other has it. */
export const USER_ID = 10_001;
/** A service ends within 9 s of SIGTERM, after the pause in which load balancers forget it. */
export const TERMINATION_SECONDS = 30;
const FORGET_SECONDS = 3;
const STARTUP_SECONDS_MAX = 120;
const STARTUP_PERIOD_SECONDS = 2;

export const PART_OF = 'finality';

type Component = 'service' | 'migration';

/** What Services, policies and controllers select by; never changes for an installed object. */
export const selectorOf = (name: string, component: Component): Record<string, string> => ({
  'app.kubernetes.io/name': name,
  'app.kubernetes.io/component': component,
  'app.kubernetes.io/part-of': PART_OF,
});

/** Of whatever service. */
export const MIGRATIONS: Record<string, string> = {
  'app.kubernetes.io/component': 'migration',
  'app.kubernetes.io/part-of': PART_OF,
};

export const POD_SECURITY: k8s.PodSecurityContext = {
  runAsNonRoot: true,
  runAsUser: USER_ID,
  runAsGroup: USER_ID,
  fsGroup: USER_ID,
  fsGroupChangePolicy: 'OnRootMismatch',
  seccompProfile: { type: 'RuntimeDefault' },
};

export const CONTAINER_SECURITY: k8s.SecurityContext = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  privileged: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
};

export function resourcesOf(resources: Resources): k8s.ResourceRequirements {
  const quantity = (text: string): k8s.Quantity => k8s.Quantity.fromString(text);
  return {
    requests: { cpu: quantity(resources.cpuRequest), memory: quantity(resources.memoryRequest) },
    limits: { cpu: quantity(resources.cpuLimit), memory: quantity(resources.memoryLimit) },
  };
}

const httpGet = (path: string, port: string): k8s.HttpGetAction => ({
  path,
  port: k8s.IntOrString.fromString(port),
});

/** Alive is the process's own word; ready asks its dependencies, and counts who stands by as ready. */
export const PROBES: Pick<k8s.Container, 'startupProbe' | 'livenessProbe' | 'readinessProbe'> = {
  startupProbe: {
    httpGet: httpGet('/healthz', 'http'),
    periodSeconds: STARTUP_PERIOD_SECONDS,
    timeoutSeconds: 2,
    failureThreshold: STARTUP_SECONDS_MAX / STARTUP_PERIOD_SECONDS,
  },
  livenessProbe: { httpGet: httpGet('/healthz', 'http'), periodSeconds: 10, timeoutSeconds: 3, failureThreshold: 3 },
  readinessProbe: {
    httpGet: httpGet('/readyz?standby=ok', 'http'),
    periodSeconds: 5,
    timeoutSeconds: 3,
    failureThreshold: 2,
  },
};

export const livenessOf = (port: string): k8s.Probe => ({
  httpGet: httpGet('/healthz', port),
  periodSeconds: 10,
  timeoutSeconds: 3,
  failureThreshold: 3,
});

/** Endpoints of a pod that ends are forgotten a moment later: until then it serves. */
export const FORGET_FIRST: k8s.Lifecycle = { preStop: { sleep: { seconds: FORGET_SECONDS } } };

/** What a pod of ours has whatever it runs: no credentials for the cluster, no variables about other Services. */
export const POD_DEFAULTS = {
  automountServiceAccountToken: false,
  enableServiceLinks: false,
  securityContext: POD_SECURITY,
} as const;

/** Pods are scraped one by one: a standby has figures too. */
export const SCRAPE_ANNOTATIONS: Record<string, string> = {
  'prometheus.io/scrape': 'true',
  'prometheus.io/port': String(HTTP_PORT),
  'prometheus.io/path': '/metrics',
};

export const value = (name: string, text: string): k8s.EnvVar => ({ name, value: text });

export const fromSecret = (name: string, secret: string, key: string): k8s.EnvVar => ({
  name,
  valueFrom: { secretKeyRef: { name: secret, key } },
});

/** The variable is missing where the secret has no such key. */
export const fromSecretIfThere = (name: string, secret: string, key: string): k8s.EnvVar => ({
  name,
  valueFrom: { secretKeyRef: { name: secret, key, optional: true } },
});

export const fromField = (name: string, fieldPath: string): k8s.EnvVar => ({
  name,
  valueFrom: { fieldRef: { fieldPath } },
});
