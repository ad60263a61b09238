import type { ServiceName } from '@finality/contracts';
import type { Environment } from '../environment.ts';
import { eachService } from '../environments/services.ts';
import { each, eachNumber, number, settings, text } from './expression.ts';

const service = (name: ServiceName): string => `(index .Values.services ${JSON.stringify(name)})`;

/** The environment whose values Helm fills in: shaped like production, with a login at Kafka and servers outside the cluster. */
export const helm: Environment = {
  name: 'helm',
  namespace: undefined,
  imagePullPolicy: text('.Values.image.pullPolicy'),
  imagePullSecrets: each('.Values.image.pullSecrets'),
  logLevel: text('.Values.logLevel'),
  bitcoin: {
    network: text('.Values.bitcoin.network'),
    rpcUrl: text('.Values.bitcoin.rpcUrl'),
    secondRpcUrl: text('include "finality.secondRpcUrl" .'),
    nodes: { kind: 'addresses', cidrs: each('.Values.bitcoin.cidrs'), ports: eachNumber('.Values.bitcoin.ports') },
  },
  kafka: {
    brokers: text('join "," .Values.kafka.brokers'),
    cluster: { kind: 'addresses', cidrs: each('.Values.kafka.cidrs'), ports: [number('.Values.kafka.port')] },
    login: { mechanism: text('.Values.kafka.saslMechanism'), caSecret: text('.Values.kafka.caSecret') },
  },
  postgres: {
    server: { kind: 'addresses', cidrs: each('.Values.postgres.cidrs'), ports: [number('.Values.postgres.port')] },
    caSecret: text('.Values.postgres.caSecret'),
  },
  signerPassphraseSecret: text('.Values.signerPassphraseSecret'),
  firstKeysSecret: text('.Values.firstKeysSecret'),
  telemetry: {
    endpoint: text('.Values.telemetry.endpoint'),
    collector: {
      kind: 'namespace',
      namespace: text('.Values.telemetry.namespace'),
      ports: [number('.Values.telemetry.port')],
    },
  },
  certificateIssuer: {
    kind: text('.Values.certificates.issuer.kind'),
    name: text('.Values.certificates.issuer.name'),
  },
  access: {
    clientsNamespace: text('.Values.access.clientsNamespace'),
    monitoringNamespace: text('.Values.access.monitoringNamespace'),
    kubernetesApi: {
      kind: 'addresses',
      cidrs: each('.Values.access.kubernetesApi.cidrs'),
      ports: [443, number('.Values.access.kubernetesApi.port')],
    },
  },
  spread: text('.Values.spread'),
  services: eachService((name) => ({
    image: text(`include "finality.image" (list . ${JSON.stringify(name)})`),
    replicas: number(`${service(name)}.replicas`),
    resources: {
      cpuRequest: text(`${service(name)}.resources.requests.cpu`),
      memoryRequest: text(`${service(name)}.resources.requests.memory`),
      cpuLimit: text(`${service(name)}.resources.limits.cpu`),
      memoryLimit: text(`${service(name)}.resources.limits.memory`),
    },
    secrets: {
      credentials: text(`${service(name)}.secrets.credentials`),
      migration: text(`${service(name)}.secrets.migration`),
      tls: text(`${service(name)}.secrets.tls`),
    },
    settings: settings(`${service(name)}.settings`),
  })),
};
