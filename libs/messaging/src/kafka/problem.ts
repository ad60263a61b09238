/** What can be wrong with a broker or its topics that no later attempt puts right by itself (but for `BROKER_UNREACHABLE`). */
export interface KafkaProblem {
  readonly reason:
    | 'BROKER_UNREACHABLE'
    | 'BROKER_UNSUPPORTED'
    | 'CREDENTIALS_REFUSED'
    | 'NOT_AUTHORIZED'
    | 'TOPIC_PARTITIONS'
    | 'TOPIC_MISSING'
    | 'TOPIC_REFUSED';
  /** What is, in a sentence. */
  readonly message: string;
  /** What whoever runs the process can do about it; names the setting. */
  readonly hint: string;
}

/** A problem met by a driver or relay at work. */
export class KafkaError extends Error {
  override readonly name = 'KafkaError';
  readonly problem: KafkaProblem;

  constructor(problem: KafkaProblem, options?: ErrorOptions) {
    super(`${problem.message}. ${problem.hint}`, options);
    this.problem = problem;
  }
}

const HINTS: Readonly<Record<KafkaProblem['reason'], string>> = {
  BROKER_UNREACHABLE:
    'Is a broker running there (KAFKA_BROKERS), and does its listener expect what is sent to it (KAFKA_TLS, KAFKA_TLS_CA_FILE, KAFKA_SASL_MECHANISM)?',
  BROKER_UNSUPPORTED:
    'Use Apache Kafka 2.1 or later (tested with 4.x), or something compatible with it (KAFKA_BROKERS).',
  CREDENTIALS_REFUSED: 'Check KAFKA_SASL_MECHANISM, KAFKA_USERNAME and KAFKA_PASSWORD.',
  NOT_AUTHORIZED:
    'Allow KAFKA_USERNAME to describe, read and write the topics and groups whose names begin with KAFKA_PREFIX followed by "finality.", and to create these topics, or create them beforehand.',
  TOPIC_PARTITIONS:
    'A key stays on its partition for ever, so the number is fixed: make the topic anew with the number expected, or use another KAFKA_PREFIX.',
  TOPIC_MISSING:
    'Every service makes the topics of the catalogue when it starts: has this one been deleted, or is this another cluster (KAFKA_BROKERS)?',
  TOPIC_REFUSED: 'Check KAFKA_REPLICATION (at most the number of brokers) and the policies of the cluster.',
};

export function problem(reason: KafkaProblem['reason'], message: string): KafkaProblem {
  return { reason, message, hint: HINTS[reason] };
}

/** What kafkajs throws: names instead of classes, since an error may come from a copy of it. */
interface KafkaJsError {
  readonly name?: string;
  readonly message?: string;
  /** Of the broker's answer: `TOPIC_AUTHORIZATION_FAILED`. */
  readonly type?: string;
  readonly code?: string;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
}

const CAUSES_MAX = 8;

/** The typed problem behind an error of kafkajs; `undefined` when it is none (a bug, or an error of ours). */
export function problemOf(error: unknown, brokers: readonly string[]): KafkaProblem | undefined {
  if (error instanceof KafkaError) return error.problem;
  const chain = causes(error);
  for (const each of chain) {
    const reason = certainReason(each);
    if (reason) return problem(reason, described(reason, each, brokers));
  }
  const first = chain.find((each) => each.name?.startsWith('KafkaJS'));
  if (!first) return undefined;
  const last = chain.findLast((each) => (each.message ?? '') !== '') ?? first;
  return problem('BROKER_UNREACHABLE', described('BROKER_UNREACHABLE', last, brokers));
}

/** The error as a {@link KafkaError} if it comes from kafkajs, else as it is. */
export function kafkaErrorOf(error: unknown, brokers: readonly string[]): unknown {
  if (error instanceof KafkaError) return error;
  const found = problemOf(error, brokers);
  return found ? new KafkaError(found, { cause: error }) : error;
}

function certainReason({ name = '', type = '', message = '' }: KafkaJsError): KafkaProblem['reason'] | undefined {
  if (name === 'KafkaJSSASLAuthenticationError' || type === 'SASL_AUTHENTICATION_FAILED') return 'CREDENTIALS_REFUSED';
  if (type === 'UNSUPPORTED_SASL_MECHANISM' || type === 'ILLEGAL_SASL_STATE') return 'CREDENTIALS_REFUSED';
  if (type.endsWith('_AUTHORIZATION_FAILED')) return 'NOT_AUTHORIZED';
  if (type === 'UNSUPPORTED_VERSION' || message === 'API Versions not supported') return 'BROKER_UNSUPPORTED';
  if (name === 'KafkaJSServerDoesNotSupportApiKey') return 'BROKER_UNSUPPORTED';
  // What kafkajs says, by no error of its own, when it has lost a broker before it got to know it.
  if (message === 'Broker not connected') return 'BROKER_UNREACHABLE';
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION') return 'TOPIC_MISSING';
  if (type === 'INVALID_REPLICATION_FACTOR' || type === 'POLICY_VIOLATION' || type === 'INVALID_CONFIG')
    return 'TOPIC_REFUSED';
  return undefined;
}

function described(
  reason: KafkaProblem['reason'],
  { message = '', type }: KafkaJsError,
  brokers: readonly string[],
): string {
  const said = message.replace(/\.$/, '');
  const at = brokers.join(',');
  switch (reason) {
    case 'BROKER_UNREACHABLE':
      return type === undefined
        ? `no Kafka broker answers at ${at} (${said})`
        : `the Kafka broker at ${at} can't do it at present (${said})`;
    case 'BROKER_UNSUPPORTED':
      return `the Kafka broker at ${at} is of a version that can't be used (${said})`;
    case 'CREDENTIALS_REFUSED':
      return `the Kafka broker at ${at} refuses the credentials (${said})`;
    case 'NOT_AUTHORIZED':
      return `the Kafka broker at ${at} doesn't allow it (${said})`;
    case 'TOPIC_PARTITIONS':
    case 'TOPIC_MISSING':
    case 'TOPIC_REFUSED':
      return `the Kafka broker at ${at} refuses a topic (${said})`;
  }
}

/** The error, its causes and members, outermost first. */
function causes(error: unknown): KafkaJsError[] {
  const found: KafkaJsError[] = [];
  const open: unknown[] = [error];
  while (open.length > 0 && found.length < CAUSES_MAX) {
    const each = open.shift();
    if (typeof each !== 'object' || each === null || found.includes(each)) continue;
    const known: KafkaJsError = each;
    found.push(known);
    open.push(known.cause, ...(known.errors ?? []));
  }
  return found;
}
