import { plainSettings } from '../constructs/configuration.ts';
import { eachService } from '../environments/services.ts';
import { helm } from './environment.ts';
import { SERVICES, type ServiceTraits, STANDBY_REPLICAS_MAX, STANDBY_SERVICE } from '../services.ts';

type Schema = Readonly<Record<string, unknown>>;

const NAME = { type: 'string', pattern: '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$' } as const;
const NAMESPACE = { type: 'string', pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' } as const;
const PORT = { type: 'integer', minimum: 1, maximum: 65_535 } as const;
/** At least one: a rule of a NetworkPolicy without addresses would allow all of them. */
const CIDRS = {
  type: 'array',
  minItems: 1,
  items: { type: 'string', pattern: '^[0-9a-fA-F:.]+/[0-9]{1,3}$' },
} as const;
const QUANTITY = { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi)?$' } as const;

const withoutSettings = eachService((name) => ({ ...helm.services[name], settings: {} }));

/** Only what is named, all of it. */
function object(properties: Readonly<Record<string, Schema>>): Schema {
  return { type: 'object', additionalProperties: false, required: Object.keys(properties), properties };
}

/** @returns values.schema.json: a name mistyped in values is refused, not ignored */
export function valuesSchema(): Schema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart finality',
    ...object({
      image: object({
        registry: { type: 'string', minLength: 1, pattern: '^[^\\s@]+$' },
        tag: { type: 'string', pattern: '^[\\w.-]{0,128}$' },
        pullPolicy: { enum: ['Always', 'IfNotPresent'] },
        pullSecrets: { type: 'array', items: NAME },
      }),
      logLevel: { enum: ['debug', 'info', 'warn', 'error'] },
      bitcoin: object({
        network: { enum: ['regtest', 'signet', 'testnet4', 'mainnet'] },
        rpcUrl: { type: 'string', pattern: '^http://[^\\s@]+$' },
        secondRpcUrl: { type: 'string', pattern: '^(http://[^\\s@]+)?$' },
        cidrs: CIDRS,
        ports: { type: 'array', minItems: 1, items: PORT },
      }),
      kafka: object({
        brokers: { type: 'array', minItems: 1, items: { type: 'string', pattern: '^[^\\s,:]+:[0-9]+$' } },
        cidrs: CIDRS,
        port: PORT,
        saslMechanism: { enum: ['plain', 'scram-sha-256', 'scram-sha-512'] },
        caSecret: NAME,
      }),
      postgres: object({ cidrs: CIDRS, port: PORT, caSecret: NAME }),
      signerPassphraseSecret: NAME,
      firstKeysSecret: NAME,
      telemetry: object({
        endpoint: { type: 'string', pattern: '^https?://\\S+$' },
        namespace: NAMESPACE,
        port: PORT,
      }),
      certificates: object({
        certManager: { type: 'boolean' },
        issuer: object({ kind: { enum: ['Issuer', 'ClusterIssuer'] }, name: NAME }),
      }),
      access: object({
        clientsNamespace: NAMESPACE,
        monitoringNamespace: NAMESPACE,
        kubernetesApi: object({ cidrs: CIDRS, port: PORT }),
      }),
      spread: { enum: ['DoNotSchedule', 'ScheduleAnyway'] },
      services: object(Object.fromEntries(SERVICES.map((traits) => [traits.name, serviceSchema(traits)]))),
    }),
  };
}

function serviceSchema(traits: ServiceTraits): Schema {
  const hasStandby = traits.name === STANDBY_SERVICE;
  // Said elsewhere in the values: twice in one ConfigMap, nobody would know which one counts.
  const elsewhere = Object.keys(plainSettings(traits, { ...helm, services: withoutSettings }));
  const amounts = object({ cpu: QUANTITY, memory: QUANTITY });
  return object({
    image: object({ digest: { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' } }),
    replicas: { type: 'integer', minimum: 0, maximum: hasStandby ? STANDBY_REPLICAS_MAX : 1 },
    resources: object({ requests: amounts, limits: amounts }),
    secrets: object({ credentials: NAME, migration: NAME, tls: NAME }),
    settings: {
      type: 'object',
      propertyNames: { pattern: '^[A-Z][A-Z0-9_]*$', not: { enum: elsewhere.sort() } },
      additionalProperties: { type: 'string' },
    },
  });
}
