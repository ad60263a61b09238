import { createHash, createHmac } from 'node:crypto';
import { LOCAL_SERVERS_SECRET } from './constructs/local-servers.ts';
import type { Manifest } from './platform.ts';
import type { Environment } from './environment.ts';
import { SERVICES, STANDBY_SERVICE } from './services.ts';

const PASSWORD_BYTES = 24;
const KEY_ID_BYTES = 8;
const KEY_SECRET_BYTES = 32;
const SALT_BYTES = 16;
const RPC_USER = 'finality';

/** Everything that the platform's own servers and services have to keep from others, where nobody else makes it: on one machine, on regtest. */
export interface LocalSecrets {
  readonly postgresPassword: string;
  readonly databasePasswords: Readonly<Record<string, string>>;
  readonly bitcoinPassword: string;
  /** What bitcoind is told instead of the password: user:salt$HMAC-SHA256(salt, password), as its share/rpcauth makes it. */
  readonly bitcoinAuth: string;
  readonly signerPassphrase: string;
  /** The first two operators', for whoever calls the API: one alone could issue nobody a key. */
  readonly operatorApiKeys: readonly [string, string];
  /** What settlement is told of them. */
  readonly firstKeys: string;
}

/** The PEM texts of a service's certificate. */
export interface CertificateTexts {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/** @param random that many bytes that nobody can guess */
export function makeSecrets(random: (bytes: number) => Buffer): LocalSecrets {
  const password = (): string => random(PASSWORD_BYTES).toString('hex');
  const bitcoinPassword = password();
  const salt = random(SALT_BYTES).toString('hex');
  const operators = [operatorKey('first operator', random), operatorKey('second operator', random)] as const;
  return {
    postgresPassword: password(),
    databasePasswords: Object.fromEntries(SERVICES.map(({ name }) => [name, password()])),
    bitcoinPassword,
    bitcoinAuth: `${RPC_USER}:${salt}$${createHmac('sha256', salt).update(bitcoinPassword).digest('hex')}`,
    signerPassphrase: password(),
    operatorApiKeys: [operators[0].apiKey, operators[1].apiKey],
    firstKeys: JSON.stringify(operators.map(({ apiKey: _secret, ...known }) => known)),
  };
}

function operatorKey(label: string, random: (bytes: number) => Buffer) {
  const keyId = random(KEY_ID_BYTES).toString('hex');
  const secret = random(KEY_SECRET_BYTES).toString('base64url');
  const secretSha256 = createHash('sha256').update(secret).digest('hex');
  return { apiKey: `fin_${keyId}_${secret}`, keyId, roles: ['operator', 'compliance'], label, secretSha256 };
}

/** docker/.env: single quotes keep Compose from reading `$` as a variable. */
export function composeEnv(secrets: LocalSecrets): string {
  const lines = {
    POSTGRES_PASSWORD: secrets.postgresPassword,
    ...Object.fromEntries(
      Object.entries(secrets.databasePasswords).map(([name, password]) => [
        `${name.toUpperCase().replaceAll('-', '_')}_DATABASE_PASSWORD`,
        password,
      ]),
    ),
    BITCOIN_RPC_PASSWORD: secrets.bitcoinPassword,
    BITCOIN_RPC_AUTH: secrets.bitcoinAuth,
    OPERATOR_API_KEY: secrets.operatorApiKeys[0],
    SECOND_OPERATOR_API_KEY: secrets.operatorApiKeys[1],
  };
  return Object.entries(lines)
    .map(([name, value]) => `${name}='${value}'\n`)
    .join('');
}

/** The Secrets of an environment that brings its own servers, to be applied and never to be kept in a file. */
export function secretManifests(
  environment: Environment,
  secrets: LocalSecrets,
  certificates: ReadonlyMap<string, CertificateTexts>,
): readonly Manifest[] {
  const namespace = environment.namespace ?? 'default';
  const secret = (name: string, stringData: Readonly<Record<string, string>>, type = 'Opaque'): Manifest => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
    type,
    stringData,
  });
  const adminUrl = `postgres://postgres:${secrets.postgresPassword}@postgres:5432/postgres`;
  const perService = SERVICES.flatMap(({ name, talksToNode }) => {
    const { credentials, migration, tls } = environment.services[name].secrets;
    const role = `finality_${name.replaceAll('-', '_')}`;
    const { ca, certificate, key } = certificates.get(name)!;
    return [
      secret(credentials, {
        'database-url': `postgres://${role}:${secrets.databasePasswords[name]}@postgres:5432/finality`,
        ...(talksToNode && { 'bitcoin-rpc-user': RPC_USER, 'bitcoin-rpc-password': secrets.bitcoinPassword }),
      }),
      secret(migration, { 'database-admin-url': adminUrl }),
      secret(tls, { 'ca.crt': ca, 'tls.crt': certificate, 'tls.key': key }, 'kubernetes.io/tls'),
    ];
  });
  return [
    ...perService,
    secret(environment.signerPassphraseSecret, { passphrase: secrets.signerPassphrase }),
    secret(environment.firstKeysSecret, { 'first-keys.json': secrets.firstKeys }),
    secret(`${STANDBY_SERVICE}-operator`, { 'api-key': secrets.operatorApiKeys[0] }),
    secret(`${STANDBY_SERVICE}-second-operator`, { 'api-key': secrets.operatorApiKeys[1] }),
    secret(LOCAL_SERVERS_SECRET, {
      'postgres-password': secrets.postgresPassword,
      'bitcoin-rpc-auth': secrets.bitcoinAuth,
    }),
  ];
}
