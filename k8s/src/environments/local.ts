import type { ServiceName } from '@finality/contracts';
import type { Environment, Resources } from '../environment.ts';
import { STANDBY_SERVICE } from '../services.ts';
import { eachService, secretsOf } from './services.ts';

const RESOURCES: Resources = { cpuRequest: '50m', cpuLimit: '1', memoryRequest: '128Mi', memoryLimit: '384Mi' };

/** Three blocks are enough on a chain that nobody else mines. */
const SETTINGS: Readonly<Partial<Record<ServiceName, Record<string, string>>>> = {
  settlement: { BILATERAL_CONFIRMATIONS: '3', BLOCKCHAIN_CONFIRMATIONS: '6' },
};

/** A cluster on one machine (kind, minikube): regtest, one broker, one database, one node, all of them in the namespace and for trying out only. */
export const local: Environment = {
  name: 'local',
  namespace: 'finality',
  imagePullPolicy: 'IfNotPresent',
  imagePullSecrets: [],
  logLevel: 'info',
  bitcoin: {
    network: 'regtest',
    rpcUrl: 'http://bitcoin:18443',
    nodes: { kind: 'pods', name: 'bitcoin', ports: [18_443] },
  },
  kafka: { brokers: 'kafka:9092', cluster: { kind: 'pods', name: 'kafka', ports: [9_092] } },
  postgres: { server: { kind: 'pods', name: 'postgres', ports: [5_432] } },
  signerPassphraseSecret: 'signer-passphrase',
  firstKeysSecret: 'settlement-first-keys',
  access: {
    clientsNamespace: 'default',
    monitoringNamespace: 'monitoring',
    kubernetesApi: { kind: 'addresses', cidrs: ['0.0.0.0/0'], ports: [443, 6_443] },
  },
  spread: 'ScheduleAnyway',
  services: eachService((name) => ({
    image: `finality/${name}:dev`,
    replicas: name === STANDBY_SERVICE ? 2 : 1,
    resources: RESOURCES,
    secrets: secretsOf(name),
    settings: SETTINGS[name] ?? {},
  })),
};
