import { k8s } from 'cdk8s-plus-33';
import { Construct } from 'constructs';
import type { Destination, Environment } from '../environment.ts';
import { HTTP_PORT, SERVICES, type ServiceTraits, STANDBY_SERVICE } from '../services.ts';
import { MIGRATIONS, selectorOf } from './pod.ts';

const DNS_PORT = 53;

/** Nobody in this namespace is reached or reaches anybody, unless another policy says so. */
export class DefaultDeny extends Construct {
  constructor(scope: Construct, id: string) {
    super(scope, id);
    new k8s.KubeNetworkPolicy(this, 'policy', {
      metadata: { name: 'default-deny' },
      spec: {
        podSelector: {},
        policyTypes: ['Ingress', 'Egress'],
      },
    });
  }
}

/** Who may reach a service, and whom it may reach: its peers, what it lives on, nothing else. */
export class ServicePolicy extends Construct {
  constructor(
    scope: Construct,
    id: string,
    { traits, environment }: { traits: ServiceTraits; environment: Environment },
  ) {
    super(scope, id);
    const { name } = traits;
    new k8s.KubeNetworkPolicy(this, 'policy', {
      metadata: { name },
      spec: {
        podSelector: { matchLabels: selectorOf(name, 'service') },
        policyTypes: ['Ingress', 'Egress'],
        ingress: ingressOf(traits, environment),
        egress: egressOf(traits, environment),
      },
    });
  }
}

/** Migrations: the database, and nobody reaches them. */
export class MigrationPolicy extends Construct {
  constructor(scope: Construct, id: string, { environment }: { environment: Environment }) {
    super(scope, id);
    new k8s.KubeNetworkPolicy(this, 'policy', {
      metadata: { name: 'migrations' },
      spec: {
        podSelector: { matchLabels: MIGRATIONS },
        policyTypes: ['Ingress', 'Egress'],
        egress: [DNS, to(environment.postgres.server)],
      },
    });
  }
}

function ingressOf({ name, grpcPort, internalPort }: ServiceTraits, { access }: Environment) {
  const callers = SERVICES.filter(({ peers }) => peers.includes(name));
  const rules: k8s.NetworkPolicyIngressRule[] = [
    { from: [namespace(access.monitoringNamespace)], ports: ports([HTTP_PORT]) },
  ];
  if (callers.length > 0) {
    const from = callers.map((caller) => ({ podSelector: { matchLabels: selectorOf(caller.name, 'service') } }));
    rules.push({ from, ports: ports([internalPort]) });
  }
  if (grpcPort !== undefined) rules.push({ from: [namespace(access.clientsNamespace)], ports: ports([grpcPort]) });
  return rules;
}

function egressOf({ name, peers, talksToNode }: ServiceTraits, environment: Environment) {
  const { access, bitcoin, kafka, postgres, telemetry } = environment;
  return [
    DNS,
    to(postgres.server),
    to(kafka.cluster),
    ...SERVICES.filter((peer) => peers.includes(peer.name)).map((peer) => ({
      to: [{ podSelector: { matchLabels: selectorOf(peer.name, 'service') } }],
      ports: ports([peer.internalPort]),
    })),
    ...(talksToNode ? [to(bitcoin.nodes)] : []),
    ...(telemetry ? [to(telemetry.collector)] : []),
    ...(name === STANDBY_SERVICE ? [to(access.kubernetesApi)] : []),
  ];
}

const namespace = (name: string): k8s.NetworkPolicyPeer => ({
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } },
});

const ports = (numbers: readonly number[], protocol = 'TCP'): k8s.NetworkPolicyPort[] =>
  numbers.map((port) => ({ port: k8s.IntOrString.fromNumber(port), protocol }));

const DNS: k8s.NetworkPolicyEgressRule = {
  to: [
    {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
      podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
    },
  ],
  ports: [...ports([DNS_PORT], 'UDP'), ...ports([DNS_PORT])],
};

/** @throws when nothing is named: a rule without destinations would allow all of them */
function to(destination: Destination): k8s.NetworkPolicyEgressRule {
  const peers = peersOf(destination);
  if (peers.length === 0 || destination.ports.length === 0) throw new Error('a destination without addresses or ports');
  return { to: peers, ports: ports(destination.ports) };
}

function peersOf(destination: Destination): k8s.NetworkPolicyPeer[] {
  switch (destination.kind) {
    case 'addresses':
      return destination.cidrs.map((cidr) => ({ ipBlock: { cidr } }));
    case 'pods':
      return [{ podSelector: { matchLabels: { 'app.kubernetes.io/name': destination.name } } }];
    case 'namespace':
      return [namespace(destination.namespace)];
  }
}
