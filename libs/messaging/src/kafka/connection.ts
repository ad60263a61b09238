import { type Admin, Kafka, type KafkaConfig, type logCreator, logLevel } from 'kafkajs';
import './request-queue.patch.ts';

/** Where the brokers are and who we are to them. */
export interface KafkaConnection {
  /** host:port each. */
  readonly brokers: readonly string[];
  /** Seen in the broker's logs and quotas: the service's name. */
  readonly clientId: string;
  /** Put before the names of topics and groups. Default: nothing. */
  readonly prefix?: string;
  readonly tls?: {
    /** PEM of the authorities to trust. Default: the system's. */
    readonly ca?: string;
  };
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  };
}

/** What kafkajs has to say goes there; the services' `Log` is one. */
export interface KafkaLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** A connection that isn't there in this time is given up. */
const CONNECT_MS_MAX = 3_000;
const AUTHENTICATE_MS_MAX = 5_000;
/** An answer that isn't there in this time never comes: the connection is taken for dead. */
const ANSWER_MS_MAX = 15_000;
const RETRY = { initialRetryTime: 100, maxRetryTime: 1_000, multiplier: 2, factor: 0.2 } as const;
/** Of kafkajs' own, within one call: callers try again at their own pace. */
const RETRIES_MAX = 4;

export function kafkaClient(connection: KafkaConnection, log: KafkaLog | undefined, retries = RETRIES_MAX): Kafka {
  const { brokers, clientId, tls, sasl } = connection;
  const config: KafkaConfig = {
    clientId,
    brokers: [...brokers],
    connectionTimeout: CONNECT_MS_MAX,
    authenticationTimeout: AUTHENTICATE_MS_MAX,
    requestTimeout: ANSWER_MS_MAX,
    retry: { ...RETRY, retries },
    logLevel: log ? logLevel.WARN : logLevel.NOTHING,
    logCreator: logTo(log),
    ...(tls ? { ssl: tls.ca === undefined ? true : { ca: [tls.ca] } } : {}),
    ...(sasl ? { sasl: saslOf(sasl) } : {}),
  };
  return new Kafka(config);
}

/** Name of a topic in the cluster. */
export const topicIn = ({ prefix = '' }: KafkaConnection, topic: string): string => `${prefix}${topic}`;

/** Name of a service's consumer group. */
export const groupIn = ({ prefix = '' }: KafkaConnection, service: string): string => `${prefix}finality.${service}`;

/** An admin client, connected when first needed and anew after it failed. */
export class SharedAdmin {
  readonly #client: Kafka;
  #admin: Promise<Admin> | undefined;

  constructor(client: Kafka) {
    this.#client = client;
  }

  async use<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    this.#admin ??= this.#connect();
    const used = this.#admin;
    try {
      return await work(await used);
    } catch (error) {
      if (this.#admin === used) this.#admin = undefined;
      await disconnect(used);
      throw error;
    }
  }

  async close(): Promise<void> {
    const used = this.#admin;
    this.#admin = undefined;
    if (used) await disconnect(used);
  }

  async #connect(): Promise<Admin> {
    const admin = this.#client.admin();
    await admin.connect();
    return admin;
  }
}

async function disconnect(connected: Promise<Admin>): Promise<void> {
  try {
    await (await connected).disconnect();
  } catch {
    // It is gone as it is.
  }
}

function saslOf(sasl: NonNullable<KafkaConnection['sasl']>): NonNullable<KafkaConfig['sasl']> {
  const { mechanism, username, password } = sasl;
  switch (mechanism) {
    case 'plain':
      return { mechanism, username, password };
    case 'scram-sha-256':
      return { mechanism, username, password };
    case 'scram-sha-512':
      return { mechanism, username, password };
  }
}

/** One level lower than kafkajs sees it: it calls every attempt that failed an error, and what matters reaches the caller. */
function logTo(log: KafkaLog | undefined): logCreator {
  return () =>
    ({ level, namespace, log: { message, timestamp: _timestamp, ...fields } }) => {
      const said = { kafka: namespace, ...fields };
      if (level === logLevel.ERROR) log?.warn(said, message);
      else if (level === logLevel.WARN) log?.info(said, message);
      else log?.debug(said, message);
    };
}
