import { BlockList } from 'node:net';
import type { Environment } from './environment.ts';
import { manifestsOf } from './deploy.ts';
import type { Manifest } from './platform.ts';

/** The parts of Kubernetes' objects that tests look at. */
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly command?: readonly string[];
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: {
      readonly secretKeyRef?: { readonly name: string; readonly key: string };
      readonly fieldRef?: { readonly fieldPath: string };
    };
  }[];
  readonly envFrom?: readonly { readonly configMapRef?: { readonly name: string } }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
  readonly resources?: { readonly limits?: object; readonly requests?: object };
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly livenessProbe?: { readonly httpGet?: { readonly path: string; readonly port: string } };
  readonly readinessProbe?: { readonly httpGet?: { readonly path: string; readonly port: string } };
  readonly startupProbe?: object;
  readonly lifecycle?: { readonly preStop?: { readonly sleep?: { readonly seconds: number } } };
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly { readonly name: string; readonly secret?: object; readonly projected?: object }[];
  readonly serviceAccountName?: string;
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly automountServiceAccountToken?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly topologySpreadConstraints?: readonly { readonly topologyKey: string; readonly whenUnsatisfiable: string }[];
}

export interface Workload {
  readonly kind: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly pod: PodSpec;
  readonly spec: Readonly<Record<string, unknown>>;
}

type Labels = Readonly<Record<string, string>>;
type Peer = {
  readonly podSelector?: { readonly matchLabels?: Labels };
  readonly namespaceSelector?: { readonly matchLabels: Labels };
  readonly ipBlock?: { readonly cidr: string };
};
interface Policy {
  readonly podSelector: { readonly matchLabels?: Labels };
  readonly policyTypes: readonly string[];
  readonly ingress?: readonly {
    readonly from?: readonly Peer[];
    readonly ports?: readonly { readonly port: number }[];
  }[];
  readonly egress?: readonly { readonly to?: readonly Peer[]; readonly ports?: readonly { readonly port: number }[] }[];
}

/** An environment as the cluster would see it. */
export class Cluster {
  readonly manifests: readonly Manifest[];

  constructor(environment: Environment) {
    this.manifests = [...manifestsOf(environment).values()].flat();
  }

  ofKind(...kinds: readonly string[]): readonly Manifest[] {
    return this.manifests.filter(({ kind }) => kinds.includes(kind));
  }

  get workloads(): readonly Workload[] {
    return this.ofKind('Deployment', 'StatefulSet', 'Job').map(({ kind, metadata, spec }) => {
      const { template, ...rest } = spec as { template: { metadata: { labels: Labels }; spec: PodSpec } };
      return { kind, name: metadata.name, labels: template.metadata.labels, pod: template.spec, spec: rest };
    });
  }

  workload(name: string, component = 'service'): Workload {
    const found = this.workloads.find(
      ({ labels }) => labels['app.kubernetes.io/name'] === name && labels['app.kubernetes.io/component'] === component,
    );
    if (!found) throw new Error(`no ${component} ${name}`);
    return found;
  }

  /** What a container finds in its environment; a secret's value is `undefined`. */
  environmentOf(container: Container): ReadonlyMap<string, string | undefined> {
    const maps = (container.envFrom ?? []).map(({ configMapRef }) => {
      const map = this.ofKind('ConfigMap').find(({ metadata }) => metadata.name === configMapRef?.name);
      if (!map) throw new Error(`${container.name} is to be told what isn't there`);
      return Object.entries(map['data'] as Record<string, string>);
    });
    const own = (container.env ?? []).map(({ name, value }): [string, string | undefined] => [name, value]);
    return new Map<string, string | undefined>([...maps.flat(), ...own]);
  }

  /** Whether policies let a pod with these labels connect to another one: the sender's must, and the receiver's. */
  allows(from: Labels, to: Labels, port: number): boolean {
    const policies = this.ofKind('NetworkPolicy').map(({ spec }) => spec as Policy);
    const applied = (labels: Labels, type: string): readonly Policy[] =>
      policies.filter((each) => matches(each.podSelector.matchLabels, labels) && each.policyTypes.includes(type));
    const out = applied(from, 'Egress');
    const into = applied(to, 'Ingress');
    const isOut = out.flatMap(({ egress = [] }) => egress).some((rule) => isLet(rule.to, rule.ports, to, port));
    const isIn = into.flatMap(({ ingress = [] }) => ingress).some((rule) => isLet(rule.from, rule.ports, from, port));
    return (out.length === 0 || isOut) && (into.length === 0 || isIn);
  }

  /** Whether policies let a pod with these labels connect to an address outside the cluster (IPv4). */
  allowsAddress(from: Labels, address: string, port: number): boolean {
    return this.ofKind('NetworkPolicy')
      .map(({ spec }) => spec as Policy)
      .filter((each) => matches(each.podSelector.matchLabels, from))
      .flatMap(({ egress = [] }) => egress)
      .some(
        (rule) =>
          rule.to?.some(({ ipBlock }) => ipBlock && isWithin(ipBlock.cidr, address)) &&
          rule.ports?.some((each) => each.port === port),
      );
  }
}

function isWithin(cidr: string, address: string): boolean {
  const [network, prefix] = cidr.split('/');
  const block = new BlockList();
  block.addSubnet(network!, Number(prefix));
  return block.check(address);
}

function isLet(
  peers: readonly Peer[] | undefined,
  ports: readonly { readonly port: number }[] | undefined,
  labels: Labels,
  port: number,
): boolean {
  const isPeer =
    peers === undefined ||
    peers.some(
      ({ podSelector, namespaceSelector }) =>
        namespaceSelector === undefined && podSelector !== undefined && matches(podSelector.matchLabels, labels),
    );
  return isPeer && (ports === undefined || ports.some((each) => each.port === port));
}

function matches(selector: Labels | undefined, labels: Labels): boolean {
  return Object.entries(selector ?? {}).every(([name, value]) => labels[name] === value);
}
