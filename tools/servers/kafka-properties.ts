import path from 'node:path';
import type { KafkaOptions } from './kafka.ts';

const HOST = '127.0.0.1';
/** Nothing that would have to be quoted in a JAAS file or on a command line. */
const PLAIN_WORD = /^[A-Za-z0-9._~-]+$/;
const SASL_MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'];

/** The text of `server.properties` for one node that is broker and controller. */
export function kafkaProperties(
  { dataDir, saslUsers, settings }: Pick<KafkaOptions, 'dataDir' | 'saslUsers' | 'settings'>,
  ports: { readonly plain: number; readonly sasl: number | undefined; readonly controller: number },
): string {
  const plain = `PLAINTEXT://${HOST}:${ports.plain}`;
  const sasl = ports.sasl === undefined ? [] : [`SASL_PLAINTEXT://${HOST}:${ports.sasl}`];
  const properties: Readonly<Record<string, string>> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@${HOST}:${ports.controller}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    listeners: [plain, ...sasl, `CONTROLLER://${HOST}:${ports.controller}`].join(','),
    'advertised.listeners': [plain, ...sasl].join(','),
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': path.join(dataDir, 'data'),
    ...(saslUsers === undefined ? {} : saslProperties(saslUsers)),
    // Topics are made from the catalogue; nothing is ever deleted.
    'auto.create.topics.enable': 'false',
    'log.retention.ms': '-1',
    'log.retention.bytes': '-1',
    // Of internal topics: there is one broker.
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'share.coordinator.state.topic.num.partitions': '1',
    // A group's first member needn't wait for others.
    'group.initial.rebalance.delay.ms': '0',
    // A killed broker that comes back is taken for its own double until this has passed.
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '300',
    // A third of the heap otherwise.
    'log.cleaner.dedupe.buffer.size': `${16 * 1024 * 1024}`,
    'num.network.threads': '2',
    'num.io.threads': '4',
    ...settings,
  };
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${escape(value)}\n`)
    .join('');
}

function saslProperties(users: Readonly<Record<string, string>>): Record<string, string> {
  const login = 'org.apache.kafka.common.security';
  const odd = Object.entries(users)
    .flat()
    .find((word) => !PLAIN_WORD.test(word));
  if (odd !== undefined) throw new Error(`expected SASL users and passwords of letters, digits and ._~-, got '${odd}'`);
  const known = Object.entries(users).map(([user, password]) => ` user_${user}="${password}"`);
  const listener = 'listener.name.sasl_plaintext';
  return {
    'sasl.enabled.mechanisms': SASL_MECHANISMS.join(','),
    [`${listener}.plain.sasl.jaas.config`]: `${login}.plain.PlainLoginModule required${known.join('')};`,
    [`${listener}.scram-sha-256.sasl.jaas.config`]: `${login}.scram.ScramLoginModule required;`,
    [`${listener}.scram-sha-512.sasl.jaas.config`]: `${login}.scram.ScramLoginModule required;`,
  };
}

/** Of a Java properties file, which is ISO 8859-1. */
function escape(value: string): string {
  const escaped = value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replace(/^ /, '\\ ');
  return escaped.replace(/[^ -~]/g, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
