import { Document, isPair, isScalar, type YAMLMap } from 'yaml';
import type { Destination, Environment, ServiceSettings } from '../environment.ts';
import { SERVICES } from '../services.ts';
import { withHeader } from '../yaml.ts';

/** What stands above each part of values.yaml. */
const COMMENTS: Readonly<Record<string, string>> = {
  image:
    'Every service has an image of its own, <registry>/<service>. A digest says exactly what runs; where it is empty, the tag does.',
  bitcoin:
    'The node, a second one run by somebody else (empty: none), and where they are: policies let chain-watcher and reconciliation through to these addresses, for JSON-RPC and ZeroMQ.',
  kafka: 'Always over TLS and with a login. caSecret holds ca.crt.',
  postgres:
    'caSecret holds ca.crt; database-url names it: ?sslmode=verify-full&sslrootcert=/var/run/finality/postgres/ca.crt',
  signerPassphraseSecret:
    "Holds `passphrase`, under which the signer's seed is encrypted. Back it up apart from the database.",
  firstKeysSecret: "Holds `first-keys.json`: the first two operators' API keys, hashed (docs/deployment.md).",
  telemetry: 'OTLP over HTTP, and the namespace that the collector is in.',
  certificates:
    'certManager: true makes a Certificate per service from this issuer; false: you make the Secrets (tls.crt, tls.key, ca.crt; URI spiffe://finality/<service>).',
  access: "Namespaces that may connect, and the cluster's API as pods see it (its endpoints, not its Service).",
  spread: 'DoNotSchedule: the replicas of settlement are never on one node.',
  services:
    'Secrets are made by you; their keys are in docs/deployment.md. settings: the variables that `--help` of the service lists. One process of a service writes: settlement has standbys, the others run once (0 stops them).',
};

/** The values that make the chart what an environment's manifests are. */
export function valuesOf(environment: Environment): Record<string, unknown> {
  const { access, bitcoin, certificateIssuer, kafka, postgres, telemetry } = environment;
  const { registry } = imageParts(environment.services.settlement.image);
  if (!kafka.login || !telemetry || !certificateIssuer || postgres.caSecret === undefined)
    throw new Error(`the chart can't be what ${environment.name} is`);
  return {
    image: {
      registry,
      tag: '',
      pullPolicy: environment.imagePullPolicy,
      pullSecrets: environment.imagePullSecrets,
    },
    logLevel: environment.logLevel,
    bitcoin: {
      network: bitcoin.network,
      rpcUrl: bitcoin.rpcUrl,
      secondRpcUrl: bitcoin.secondRpcUrl ?? '',
      cidrs: addresses(bitcoin.nodes).cidrs,
      ports: bitcoin.nodes.ports,
    },
    kafka: {
      brokers: kafka.brokers.split(','),
      ...addresses(kafka.cluster),
      saslMechanism: kafka.login.mechanism,
      caSecret: kafka.login.caSecret,
    },
    postgres: { ...addresses(postgres.server), caSecret: postgres.caSecret },
    signerPassphraseSecret: environment.signerPassphraseSecret,
    firstKeysSecret: environment.firstKeysSecret,
    telemetry: {
      endpoint: telemetry.endpoint,
      namespace: telemetry.collector.kind === 'namespace' ? telemetry.collector.namespace : '',
      port: telemetry.collector.ports[0],
    },
    certificates: { certManager: true, issuer: certificateIssuer },
    access: {
      clientsNamespace: access.clientsNamespace,
      monitoringNamespace: access.monitoringNamespace,
      kubernetesApi: { ...addresses(access.kubernetesApi), port: access.kubernetesApi.ports.at(-1) },
    },
    spread: environment.spread,
    services: Object.fromEntries(SERVICES.map(({ name }) => [name, serviceValues(environment.services[name])])),
  };
}

export function valuesYaml(environment: Environment): string {
  const document = new Document(valuesOf(environment));
  for (const pair of (document.contents as YAMLMap).items) {
    if (!isPair(pair) || !isScalar(pair.key)) continue;
    const comment = COMMENTS[String(pair.key.value)];
    if (comment !== undefined) pair.key.commentBefore = ` ${comment}`;
    pair.key.spaceBefore = true;
  }
  return withHeader(`# Defaults: addresses are examples.\n${document.toString({ lineWidth: 0 })}`);
}

function serviceValues({ image, replicas, resources, secrets, settings }: ServiceSettings): object {
  const { digest } = imageParts(image);
  return {
    image: { digest },
    replicas,
    resources: {
      requests: { cpu: resources.cpuRequest, memory: resources.memoryRequest },
      limits: { cpu: resources.cpuLimit, memory: resources.memoryLimit },
    },
    secrets,
    settings,
  };
}

function imageParts(image: string): { registry: string; digest: string } {
  const [, registry, digest] = /^(.*)\/[^/@]+@(sha256:[0-9a-f]{64})$/.exec(image) ?? [];
  if (registry === undefined || digest === undefined) throw new Error(`${image} has no digest`);
  return { registry, digest };
}

function addresses(destination: Destination): { cidrs: readonly string[]; port: number } {
  if (destination.kind !== 'addresses') throw new Error('expected addresses outside the cluster');
  return { cidrs: destination.cidrs, port: destination.ports[0]! };
}
