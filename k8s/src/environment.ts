import type { ServiceName } from '@finality/contracts';

export type BitcoinNetwork = 'regtest' | 'signet' | 'testnet4' | 'mainnet';

/** Where a service may connect to, as NetworkPolicies say it: addresses outside the cluster, or pods of this namespace. */
export type Destination =
  | { readonly kind: 'addresses'; readonly cidrs: readonly string[]; readonly ports: readonly number[] }
  | { readonly kind: 'pods'; readonly name: string; readonly ports: readonly number[] }
  | { readonly kind: 'namespace'; readonly namespace: string; readonly ports: readonly number[] };

/** Kubernetes quantities: `250m`, `512Mi`. */
export interface Resources {
  readonly cpuRequest: string;
  readonly cpuLimit: string;
  readonly memoryRequest: string;
  readonly memoryLimit: string;
}

/** Names of Secrets that somebody else makes; this repository never holds what is in them (docs/deployment.md lists their keys). */
export interface SecretNames {
  /** `database-url`, and where they are used `kafka-username`, `kafka-password`, `bitcoin-rpc-user`, `bitcoin-rpc-password`, of a second node `bitcoin-rpc-user-2`, `bitcoin-rpc-password-2`. */
  readonly credentials: string;
  /** `database-admin-url`: for the migration alone. */
  readonly migration: string;
  /** `tls.crt`, `tls.key`, `ca.crt`: made by cert-manager where the environment has it. */
  readonly tls: string;
}

export interface CertificateIssuer {
  readonly kind: string;
  readonly name: string;
}

export interface ServiceSettings {
  readonly image: string;
  readonly replicas: number;
  readonly resources: Resources;
  readonly secrets: SecretNames;
  /** The service's own variables, as its `--help` lists them. */
  readonly settings: Readonly<Record<string, string>>;
}

/** Everything that differs between places where the platform runs. */
export interface Environment {
  readonly name: string;
  /** Undefined: whoever installs says it (Helm's `--namespace`). */
  readonly namespace: string | undefined;
  readonly imagePullPolicy: 'Always' | 'IfNotPresent';
  readonly imagePullSecrets: readonly string[];
  readonly logLevel: string;
  readonly bitcoin: {
    readonly network: BitcoinNetwork;
    readonly rpcUrl: string;
    /** A node that somebody else runs, whose blocks chain-watcher compares; without it one node decides. */
    readonly secondRpcUrl?: string;
    /** Where the nodes are: JSON-RPC and, where it is offered, ZeroMQ. */
    readonly nodes: Destination;
  };
  readonly kafka: {
    /** host:port, separated by commas. */
    readonly brokers: string;
    readonly cluster: Destination;
    /** How services log in over TLS; undefined for a broker inside the cluster that asks for neither. */
    readonly login?: {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
      /** Secret with `ca.crt`. */
      readonly caSecret: string;
    };
  };
  readonly postgres: {
    readonly server: Destination;
    /** Secret with `ca.crt`, which `database-url` can name in `sslrootcert`. */
    readonly caSecret?: string;
  };
  /** Secret with `passphrase`, under which the signer's seed is encrypted. */
  readonly signerPassphraseSecret: string;
  /** Secret with `first-keys.json`: the first two operators' API keys, hashed. */
  readonly firstKeysSecret: string;
  /** OTLP over HTTP. */
  readonly telemetry?: { readonly endpoint: string; readonly collector: Destination };
  /** cert-manager's issuer of the services' certificates; undefined where the Secrets are made by hand. */
  readonly certificateIssuer?: CertificateIssuer;
  /** Who may reach the services from outside this namespace, by the name of their namespace. */
  readonly access: {
    /** Institutions' gateway: gRPC. */
    readonly clientsNamespace: string;
    /** Prometheus: `/metrics`. */
    readonly monitoringNamespace: string;
    /** The cluster's own API, for the label of the leader. */
    readonly kubernetesApi: Destination;
  };
  /** Whether replicas of a service must be on different nodes, or only should. */
  readonly spread: 'DoNotSchedule' | 'ScheduleAnyway';
  readonly services: Readonly<Record<ServiceName, ServiceSettings>>;
}
