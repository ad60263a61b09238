import type { ServiceName } from '@finality/contracts';
import type { Environment, Resources } from '../environment.ts';
import { STANDBY_SERVICE } from '../services.ts';
import { eachService, secretsOf } from './services.ts';

/** A release replaces the digests with those of the images that it pushed: what runs is named by what it is, not by a tag that can move. */
const REGISTRY = 'registry.example.com/finality';
const DIGEST_OF_NOTHING = `sha256:${'0'.repeat(64)}`;
export const DIGESTS: Readonly<Record<ServiceName, string>> = {
  settlement: DIGEST_OF_NOTHING,
  'address-issuer': DIGEST_OF_NOTHING,
  'chain-watcher': DIGEST_OF_NOTHING,
  risk: DIGEST_OF_NOTHING,
  aml: DIGEST_OF_NOTHING,
  signer: DIGEST_OF_NOTHING,
  reconciliation: DIGEST_OF_NOTHING,
};

const SMALL: Resources = { cpuRequest: '100m', cpuLimit: '1', memoryRequest: '256Mi', memoryLimit: '512Mi' };
const MEDIUM: Resources = { cpuRequest: '250m', cpuLimit: '2', memoryRequest: '512Mi', memoryLimit: '1Gi' };
const LARGE: Resources = { cpuRequest: '1', cpuLimit: '2', memoryRequest: '1Gi', memoryLimit: '2Gi' };

const RESOURCES: Readonly<Record<ServiceName, Resources>> = {
  settlement: LARGE,
  'address-issuer': SMALL,
  'chain-watcher': MEDIUM,
  risk: SMALL,
  aml: SMALL,
  signer: SMALL,
  reconciliation: MEDIUM,
};

/** What an institution decides for itself; everything else is as the services have it by default. */
const SETTINGS: Readonly<Partial<Record<ServiceName, Record<string, string>>>> = {
  // Ten bitcoin and more count once both nodes have the block.
  settlement: {
    AGREE_FROM_SATS: '1000000000',
    BILATERAL_CONFIRMATIONS: '3',
    BLOCKCHAIN_CONFIRMATIONS: '6',
    DEPOSIT_CONFIRMATIONS: '6',
  },
  // The first block that can hold a transaction of the platform's: the day before it opened.
  'chain-watcher': { CHAIN_START_HEIGHT: '900000' },
  reconciliation: { CHAIN_START_HEIGHT: '900000' },
  signer: { SIGNER_FEE_MAX_SATS: '1000000', SIGNER_ROLLING_MAX_SATS: '100000000000' },
};

/** What nodes commonly publish new blocks and transactions on. */
const ZEROMQ_PORT = 28_332;

/** Mainnet, on Kafka, PostgreSQL and two Bitcoin nodes that others run. Addresses are examples (RFC 5737) for whoever installs to replace. */
export const production: Environment = {
  name: 'production',
  namespace: 'finality',
  imagePullPolicy: 'IfNotPresent',
  imagePullSecrets: ['registry-credentials'],
  logLevel: 'info',
  bitcoin: {
    network: 'mainnet',
    rpcUrl: 'http://bitcoin.example.com:8332',
    secondRpcUrl: 'http://bitcoin.example.net:8332',
    nodes: { kind: 'addresses', cidrs: ['192.0.2.32/28', '198.51.100.32/28'], ports: [8_332, ZEROMQ_PORT] },
  },
  kafka: {
    brokers: 'kafka-0.example.com:9094,kafka-1.example.com:9094,kafka-2.example.com:9094',
    cluster: { kind: 'addresses', cidrs: ['192.0.2.0/28'], ports: [9_094] },
    login: { mechanism: 'scram-sha-512', caSecret: 'kafka-ca' },
  },
  postgres: { server: { kind: 'addresses', cidrs: ['192.0.2.16/28'], ports: [5_432] }, caSecret: 'postgres-ca' },
  signerPassphraseSecret: 'signer-passphrase',
  firstKeysSecret: 'settlement-first-keys',
  telemetry: {
    endpoint: 'http://otel-collector.observability:4318',
    collector: { kind: 'namespace', namespace: 'observability', ports: [4_318] },
  },
  certificateIssuer: { kind: 'ClusterIssuer', name: 'finality-services' },
  access: {
    clientsNamespace: 'gateway',
    monitoringNamespace: 'observability',
    kubernetesApi: { kind: 'addresses', cidrs: ['192.0.2.48/28'], ports: [443, 6_443] },
  },
  spread: 'DoNotSchedule',
  services: eachService((name) => ({
    image: `${REGISTRY}/${name}@${DIGESTS[name]}`,
    replicas: name === STANDBY_SERVICE ? 2 : 1,
    resources: RESOURCES[name],
    secrets: secretsOf(name),
    settings: SETTINGS[name] ?? {},
  })),
};
