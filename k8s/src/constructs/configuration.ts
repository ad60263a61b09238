import type { ServiceName } from '@finality/contracts';
import type { k8s } from 'cdk8s-plus-33';
import type { Environment } from '../environment.ts';
import { addressesOf, addressVariable, HTTP_PORT, type ServiceTraits, STANDBY_SERVICE } from '../services.ts';
import { fromField, fromSecret, fromSecretIfThere } from './pod.ts';

const TLS_DIRECTORY = '/var/run/finality/tls';
const KAFKA_CA_DIRECTORY = '/var/run/finality/kafka';
const POSTGRES_CA_DIRECTORY = '/var/run/finality/postgres';
const PASSPHRASE_DIRECTORY = '/var/run/finality/passphrase';
const FIRST_KEYS_DIRECTORY = '/var/run/finality/first-keys';
/** Its group, the pod's own, may read; nobody else. */
const SECRET_MODE = 0o440;

/** What a service reads from its ConfigMap: nothing in it is secret. */
export function plainSettings(traits: ServiceTraits, environment: Environment): Record<string, string> {
  const { bitcoin, kafka, telemetry, services } = environment;
  const peers = traits.peers.map((peer) => [addressVariable(peer), addressesOf(peer, services[peer].replicas)]);
  return {
    ...(hasNetwork(traits.name) ? { BITCOIN_NETWORK: bitcoin.network } : {}),
    ...(traits.talksToNode ? { BITCOIN_RPC_URL: bitcoin.rpcUrl } : {}),
    ...(comparesNodes(traits.name, environment) ? { BITCOIN_RPC_URL_2: bitcoin.secondRpcUrl } : {}),
    ...(traits.grpcPort === undefined ? {} : { GRPC_HOST: '0.0.0.0', GRPC_PORT: String(traits.grpcPort) }),
    HTTP_HOST: '0.0.0.0',
    HTTP_PORT: String(HTTP_PORT),
    INTERNAL_HOST: '0.0.0.0',
    INTERNAL_PORT: String(traits.internalPort),
    KAFKA_BROKERS: kafka.brokers,
    ...(kafka.login
      ? {
          KAFKA_SASL_MECHANISM: kafka.login.mechanism,
          KAFKA_TLS: 'true',
          KAFKA_TLS_CA_FILE: `${KAFKA_CA_DIRECTORY}/ca.crt`,
        }
      : {}),
    LOG_LEVEL: environment.logLevel,
    ...(telemetry ? { OTEL_EXPORTER_OTLP_ENDPOINT: telemetry.endpoint } : {}),
    TLS_CA_FILE: `${TLS_DIRECTORY}/ca.crt`,
    TLS_CERT_FILE: `${TLS_DIRECTORY}/tls.crt`,
    TLS_KEY_FILE: `${TLS_DIRECTORY}/tls.key`,
    ...(traits.name === 'signer' ? { SIGNER_PASSPHRASE_FILE: `${PASSPHRASE_DIRECTORY}/passphrase` } : {}),
    ...(traits.name === STANDBY_SERVICE ? { FIRST_KEYS_FILE: `${FIRST_KEYS_DIRECTORY}/first-keys.json` } : {}),
    ...Object.fromEntries(peers),
    ...services[traits.name].settings,
  };
}

/** Screening is the same on every network. */
const hasNetwork = (name: ServiceName): boolean => name !== 'risk' && name !== 'aml';

const comparesNodes = (name: ServiceName, { bitcoin }: Environment): boolean =>
  name === 'chain-watcher' && bitcoin.secondRpcUrl !== undefined;

/** What a container is given one by one: its own name, and secrets by reference. */
export function variables(traits: ServiceTraits, environment: Environment): k8s.EnvVar[] {
  const { credentials } = environment.services[traits.name].secrets;
  const secret = (name: string, key: string): k8s.EnvVar => fromSecret(name, credentials, key);
  return [
    fromField('INSTANCE', 'metadata.name'),
    secret('DATABASE_URL', 'database-url'),
    ...(environment.kafka.login
      ? [secret('KAFKA_USERNAME', 'kafka-username'), secret('KAFKA_PASSWORD', 'kafka-password')]
      : []),
    ...(traits.talksToNode
      ? [secret('BITCOIN_RPC_USER', 'bitcoin-rpc-user'), secret('BITCOIN_RPC_PASSWORD', 'bitcoin-rpc-password')]
      : []),
    // Whether there is a second node is said where it is: a chart has the same variables with and without.
    ...(comparesNodes(traits.name, environment)
      ? [
          fromSecretIfThere('BITCOIN_RPC_USER_2', credentials, 'bitcoin-rpc-user-2'),
          fromSecretIfThere('BITCOIN_RPC_PASSWORD_2', credentials, 'bitcoin-rpc-password-2'),
        ]
      : []),
  ];
}

interface Mounted {
  readonly volume: k8s.Volume;
  readonly mount: k8s.VolumeMount;
}

function mounted(name: string, secretName: string, mountPath: string): Mounted {
  return {
    volume: { name, secret: { secretName, defaultMode: SECRET_MODE } },
    mount: { name, mountPath, readOnly: true },
  };
}

/** The Secrets that a service reads as files. */
export function files(traits: ServiceTraits, environment: Environment): readonly Mounted[] {
  const { kafka, services } = environment;
  return [
    mounted('tls', services[traits.name].secrets.tls, TLS_DIRECTORY),
    ...(kafka.login ? [mounted('kafka-ca', kafka.login.caSecret, KAFKA_CA_DIRECTORY)] : []),
    ...databaseFiles(environment),
    ...(traits.name === 'signer'
      ? [mounted('passphrase', environment.signerPassphraseSecret, PASSPHRASE_DIRECTORY)]
      : []),
    ...(traits.name === STANDBY_SERVICE
      ? [mounted('first-keys', environment.firstKeysSecret, FIRST_KEYS_DIRECTORY)]
      : []),
  ];
}

/** What talking to the database needs, for services and migrations alike. */
export function databaseFiles({ postgres: { caSecret } }: Environment): readonly Mounted[] {
  return caSecret === undefined ? [] : [mounted('postgres-ca', caSecret, POSTGRES_CA_DIRECTORY)];
}
