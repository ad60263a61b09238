import { createHash } from 'node:crypto';
import { k8s } from 'cdk8s-plus-33';
import { Construct } from 'constructs';
import type { Environment } from '../environment.ts';
import { HTTP_PORT, readServiceOf, type ServiceTraits, STANDBY_SERVICE } from '../services.ts';
import { files, plainSettings, variables } from './configuration.ts';
import { LeaderLabel, ROLE_LABEL } from './leader-label.ts';
import {
  CONTAINER_SECURITY,
  FORGET_FIRST,
  POD_DEFAULTS,
  PROBES,
  resourcesOf,
  SCRAPE_ANNOTATIONS,
  selectorOf,
  TERMINATION_SECONDS,
} from './pod.ts';

const TMP_SIZE = '16Mi';
/** A rollout goes on to the next replica when one has been ready for so long. */
const READY_SECONDS_MIN = 5;
const REVISIONS_KEPT = 5;
const ROLLOUT_SECONDS_MAX = 600;

export interface FinalityServiceProps {
  readonly traits: ServiceTraits;
  readonly environment: Environment;
  /** Stands in the pods' annotations, so that a change of settings replaces them. Default: a hash of the settings. */
  readonly settingsDigest?: string;
}

/**
 * One service of the platform: its settings, account, Services and pods. Only one process of a service writes at a time, and the database sees to
 * that; another one stands by. So no autoscaler: a second replica buys a quick takeover, not throughput. `settlement` has that replica always, under a
 * name of its own (StatefulSet); the others have it for as long as a rollout takes (one surge pod, which is ready once it stands by).
 */
export class FinalityService extends Construct {
  readonly #props: FinalityServiceProps;

  constructor(scope: Construct, id: string, props: FinalityServiceProps) {
    super(scope, id);
    this.#props = props;
    const { traits, environment } = props;
    const { name } = traits;
    const settings = plainSettings(traits, environment);
    new k8s.KubeConfigMap(this, 'settings', { metadata: { name }, data: settings });
    new k8s.KubeServiceAccount(this, 'account', { metadata: { name }, automountServiceAccountToken: false });
    const digest = props.settingsDigest ?? createHash('sha256').update(JSON.stringify(settings)).digest('hex');
    if (this.#hasStandby) this.#makeStandbyPair(digest);
    else this.#makeSingle(digest);
  }

  get #hasStandby(): boolean {
    return this.#props.traits.name === STANDBY_SERVICE;
  }

  get #selector(): Record<string, string> {
    return selectorOf(this.#props.traits.name, 'service');
  }

  #makeSingle(digest: string): void {
    const { name } = this.#props.traits;
    this.#makeService(name, { selector: this.#selector });
    new k8s.KubeDeployment(this, 'pods', {
      metadata: { name },
      spec: {
        replicas: this.#props.environment.services[name].replicas,
        revisionHistoryLimit: REVISIONS_KEPT,
        minReadySeconds: READY_SECONDS_MIN,
        progressDeadlineSeconds: ROLLOUT_SECONDS_MAX,
        selector: { matchLabels: this.#selector },
        // The new process stands by, and writes as soon as the old one has gone.
        strategy: {
          type: 'RollingUpdate',
          rollingUpdate: { maxSurge: k8s.IntOrString.fromNumber(1), maxUnavailable: k8s.IntOrString.fromNumber(0) },
        },
        template: this.#pod(digest, []),
      },
    });
  }

  #makeStandbyPair(digest: string): void {
    const { name } = this.#props.traits;
    const { environment } = this.#props;
    const label = new LeaderLabel(this, 'leader', { service: name, environment });
    this.#makeService(name, { selector: { ...this.#selector, [ROLE_LABEL]: 'leader' } });
    // Names for the single replicas, which know themselves what a standby can answer.
    this.#makeService(readServiceOf(name), {
      selector: this.#selector,
      clusterIp: 'None',
      publishNotReadyAddresses: true,
    });
    new k8s.KubePodDisruptionBudget(this, 'disruptions', {
      metadata: { name },
      spec: { maxUnavailable: k8s.IntOrString.fromNumber(1), selector: { matchLabels: this.#selector } },
    });
    new k8s.KubeStatefulSet(this, 'pods', {
      metadata: { name },
      spec: {
        serviceName: readServiceOf(name),
        replicas: environment.services[name].replicas,
        revisionHistoryLimit: REVISIONS_KEPT,
        minReadySeconds: READY_SECONDS_MIN,
        podManagementPolicy: 'Parallel',
        selector: { matchLabels: this.#selector },
        updateStrategy: { type: 'RollingUpdate' },
        template: this.#pod(digest, [label.container], label.volume),
      },
    });
  }

  #makeService(name: string, spec: Omit<k8s.ServiceSpec, 'ports'>): void {
    const { grpcPort, internalPort } = this.#props.traits;
    const port = (portName: string, number: number, appProtocol: string): k8s.ServicePort => ({
      name: portName,
      port: number,
      targetPort: k8s.IntOrString.fromString(portName),
      appProtocol,
    });
    new k8s.KubeService(this, `service-${name}`, {
      metadata: { name },
      spec: {
        type: 'ClusterIP',
        ...spec,
        ports: [
          ...(grpcPort === undefined ? [] : [port('grpc', grpcPort, 'kubernetes.io/h2c')]),
          port('internal', internalPort, 'tls'),
        ],
      },
    });
  }

  #pod(digest: string, sidecars: k8s.Container[], ...volumes: k8s.Volume[]): k8s.PodTemplateSpec {
    const { environment, traits } = this.#props;
    const mounts = files(traits, environment);
    return {
      metadata: {
        annotations: { ...SCRAPE_ANNOTATIONS, 'finality/settings-digest': digest },
        labels: { ...this.#selector, ...(this.#hasStandby ? { [ROLE_LABEL]: 'standby' } : {}) },
      },
      spec: {
        ...POD_DEFAULTS,
        ...(environment.imagePullSecrets.length > 0 && {
          imagePullSecrets: environment.imagePullSecrets.map((name) => ({ name })),
        }),
        serviceAccountName: traits.name,
        terminationGracePeriodSeconds: TERMINATION_SECONDS,
        topologySpreadConstraints: this.#spread(),
        containers: [
          this.#container([...mounts.map(({ mount }) => mount), { name: 'tmp', mountPath: '/tmp' }]),
          ...sidecars,
        ],
        volumes: [
          ...mounts.map(({ volume }) => volume),
          { name: 'tmp', emptyDir: { sizeLimit: k8s.Quantity.fromString(TMP_SIZE) } },
          ...volumes,
        ],
      },
    };
  }

  #container(volumeMounts: k8s.VolumeMount[]): k8s.Container {
    const { environment, traits } = this.#props;
    const { name, grpcPort, internalPort } = traits;
    const { image, resources } = environment.services[name];
    return {
      name,
      image,
      imagePullPolicy: environment.imagePullPolicy,
      envFrom: [{ configMapRef: { name } }],
      env: variables(traits, environment),
      ports: [
        ...(grpcPort === undefined ? [] : [{ name: 'grpc', containerPort: grpcPort }]),
        { name: 'internal', containerPort: internalPort },
        { name: 'http', containerPort: HTTP_PORT },
      ],
      ...PROBES,
      lifecycle: FORGET_FIRST,
      resources: resourcesOf(resources),
      securityContext: CONTAINER_SECURITY,
      volumeMounts,
    };
  }

  /** Nodes first, for a node is what fails most; zones where there are any. */
  #spread(): k8s.TopologySpreadConstraint[] {
    const { environment } = this.#props;
    const over = (topologyKey: string, whenUnsatisfiable: string): k8s.TopologySpreadConstraint => ({
      maxSkew: 1,
      topologyKey,
      whenUnsatisfiable,
      labelSelector: { matchLabels: this.#selector },
    });
    return [
      over('kubernetes.io/hostname', this.#hasStandby ? environment.spread : 'ScheduleAnyway'),
      over('topology.kubernetes.io/zone', 'ScheduleAnyway'),
    ];
  }
}
