import { createHash, createHmac } from 'node:crypto';
import { LOCAL_SERVERS_SECRET } from './constructs/local-servers.ts';
import type { Manifest } from './platform.ts';
import type { Environment } from './environment.ts';
import { SERVICES, STANDBY_SERVICE } from './services.ts';

const PASSWORD_BYTES = 24;
const KEY_ID_BYTES = 8;
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
  /** The first operator's, for whoever calls the API. */
  readonly operatorApiKey: string;
  /** What settlement is told of it. */
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
  const keyId = random(KEY_ID_BYTES).toString('hex');
  const keySecret = random(32).toString('base64url');
  const secretSha256 = createHash('sha256').update(keySecret).digest('hex');
  return {
    postgresPassword: password(),
    databasePasswords: Object.fromEntries(SERVICES.map(({ name }) => [name, password()])),
    bitcoinPassword,
    bitcoinAuth: `${RPC_USER}:${salt}$${createHmac('sha256', salt).update(bitcoinPassword).digest('hex')}`,
    signerPassphrase: password(),
    operatorApiKey: `fin_${keyId}_${keySecret}`,
    firstKeys: JSON.stringify([{ keyId, roles: ['operator', 'compliance'], label: 'first operator', secretSha256 }]),
  };
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
    OPERATOR_API_KEY: secrets.operatorApiKey,
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
    secret(`${STANDBY_SERVICE}-operator`, { 'api-key': secrets.operatorApiKey }),
    secret(LOCAL_SERVERS_SECRET, {
      'postgres-password': secrets.postgresPassword,
      'bitcoin-rpc-auth': secrets.bitcoinAuth,
    }),
  ];
}
