import { setTimeout as sleep } from 'node:timers/promises';
import { type Topic, topicNamed } from '@finality/contracts';
import { type KafkaConnection, KafkaRelay, ensureTopics } from '@finality/messaging';
import type { Runtime } from '@finality/kernel';
import type { Pool } from 'pg';
import { run } from '../process.ts';
import { ensureKafka, kafkaCommand } from '../servers/kafka-install.ts';
import { endsWithUs } from './ending.ts';
import { figure, type Measured, median } from './figures.ts';

/** Of the service that publishes most. */
const SCHEMA = 'settlement';
const MESSAGES_MIN = 200_000;
const ROUNDS = 3;
/** Kafka's tool is quick once it is warm. */
const TOOL_RECORDS = 400_000;
const TOOL_WARM_UP = 200_000;
const TOOL_MS_MAX = 120_000;
const SAMPLE = 5_000;
const FIRST_ATTEMPTS_MAX = 20;
const FIRST_RETRY_MS = 250;

interface Sent {
  /** Nearly all go to the first one. */
  readonly topics: readonly Topic[];
  readonly messages: number;
  /** Of a record: key, value and headers, without what the format adds. */
  readonly bytes: number;
}

/**
 * How fast a relay sends what a service has published to Kafka, as it does after a broker was away. The table is the one that the platform has just
 * filled, brought up to a size that takes a few seconds; the relay reads it on a connection of its own, and nobody else does anything.
 */
export async function benchRelay(options: { readonly kafka: string; readonly databaseUrl: string }): Promise<Measured> {
  // All of NestJS comes with it: not for those who measure something else.
  const { createPool, silentLog, systemRuntime } = await import('@finality/service');
  const runtime = systemRuntime();
  const pool = createPool(options.databaseUrl, { applicationName: 'finality/bench', log: silentLog });
  const stop = endsWithUs(() => pool.end());
  try {
    const sent = await fill(pool);
    const relayed: Round[] = [];
    const limits: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const connection = { brokers: [options.kafka], clientId: 'bench' };
      relayed.push(await relayAll({ ...connection, prefix: `relay-${round}.` }, { pool, runtime, sent }));
      limits.push(await kafkasOwn({ ...connection, prefix: `tool-${round}.` }, sent));
      process.stderr.write(
        `  ${Math.round(relayed.at(-1)!.perSecond)} messages/s, Kafka's tool ${Math.round(limits.at(-1)!)}/s\n`,
      );
    }
    const perSecond = median(relayed.map((each) => each.perSecond));
    const cpuUs = Math.round(median(relayed.map((each) => each.cpuUs)));
    const bytes = Math.round(sent.bytes);
    const bound = `Kafka's producer performance tool, ${bytes} bytes`;
    return {
      figures: [figure('kafka.relay', perSecond, '/s', median(limits), bound)],
      notes: [
        `The relay sent ${sent.messages} messages of ${bytes} bytes to ${sent.topics[0]!.partitions} partitions, and took ${cpuUs} µs of CPU for each.`,
      ],
    };
  } finally {
    await stop();
  }
}

/** Repeats what was published, later, until there is enough. */
async function fill(pool: Pool): Promise<Sent> {
  const table = `${SCHEMA}.published_messages`;
  const state = async () => {
    const { rows } = await pool.query<{ messages: bigint; last: bigint; sequence: bigint }>(
      `SELECT count(*) AS messages, max(position) AS last, max(sequence) AS sequence FROM ${table}`,
    );
    return rows[0]!;
  };
  let now = await state();
  while (now.messages < MESSAGES_MIN) {
    await pool.query(
      `INSERT INTO ${table} SELECT position + $1, ordinal, topic, ordering_key, sequence + $2, headers, payload FROM ${table} ORDER BY position LIMIT $3`,
      [now.last, now.sequence, MESSAGES_MIN - Number(now.messages)],
    );
    now = await state();
  }
  await pool.query(`VACUUM (ANALYZE) ${table}`);
  const { rows } = await pool.query<{ topic: string }>(
    `SELECT topic FROM ${table} GROUP BY topic ORDER BY count(*) DESC`,
  );
  const topics = rows.map(({ topic }) => topicNamed(topic));
  const { rows: sizes } = await pool.query<{ bytes: number }>(
    `SELECT avg(octet_length(ordering_key) + octet_length(payload) + headers)::float8 AS bytes FROM (
       SELECT ordering_key, payload, (SELECT sum(octet_length(key) + octet_length(value)) FROM json_each_text(m.headers::json)) AS headers
       FROM ${table} m ORDER BY position DESC LIMIT ${SAMPLE}) sample`,
  );
  return { topics, messages: Number(now.messages), bytes: sizes[0]!.bytes };
}

interface Round {
  readonly perSecond: number;
  /** Of this process, per message. */
  readonly cpuUs: number;
}

/** As to a cluster that has nothing yet. What it takes to connect and to send the first batch isn't counted. */
async function relayAll(
  connection: KafkaConnection,
  { pool, runtime, sent }: { readonly pool: Pool; readonly runtime: Runtime; readonly sent: Sent },
): Promise<Round> {
  const { topics, messages } = sent;
  await makeTopics(connection, topics);
  await pool.query(`DELETE FROM ${SCHEMA}.relay_progress`);
  let count = 0;
  const onSent = (sent: number): void => void (count += sent);
  const relay = new KafkaRelay({ connection, pool, schema: SCHEMA, runtime, onSent });
  try {
    await firstStep(relay);
    const first = count;
    const cpuBefore = process.cpuUsage();
    const startMs = performance.now();
    while ((await relay.step()) === 'progress');
    const seconds = (performance.now() - startMs) / 1_000;
    const { user, system } = process.cpuUsage(cpuBefore);
    if (count !== messages) throw new Error(`the relay sent ${count} of ${messages} messages`);
    return { perSecond: (count - first) / seconds, cpuUs: (user + system) / (count - first) };
  } finally {
    await relay.close();
  }
}

/** A broker needs a moment until it leads the partitions of a new topic. */
async function firstStep(relay: KafkaRelay): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await relay.step();
      return;
    } catch (error) {
      if (attempt === FIRST_ATTEMPTS_MAX) throw error;
      await sleep(FIRST_RETRY_MS);
    }
  }
}

/** The same broker, as many partitions, acknowledged as surely: records per second of Kafka's own producer. */
async function kafkasOwn(connection: KafkaConnection, { topics, bytes }: Sent): Promise<number> {
  const { brokers, prefix = '' } = connection;
  const topic = topics[0]!;
  await makeTopics(connection, [topic]);
  const program = await ensureKafka(() => undefined);
  const [file, ...args] = kafkaCommand(program, 'org.apache.kafka.tools.ProducerPerformance', [
    ...['--topic', `${prefix}${topic.name}`, '--throughput', '-1', '--record-size', `${Math.round(bytes)}`],
    ...['--num-records', `${TOOL_RECORDS}`, '--warmup-records', `${TOOL_WARM_UP}`],
    ...['--command-property', `bootstrap.servers=${brokers.join(',')}`, 'acks=all'],
  ]);
  const { code, output } = await run(file, args, { timeoutMs: TOOL_MS_MAX, keep: true });
  // The last line tells about all that came after the warm-up.
  const [, perSecond] = [...output.matchAll(/steady state records sent, ([\d.]+) records\/sec/g)].at(-1) ?? [];
  if (code !== 0 || perSecond === undefined) throw new Error(`Kafka's tool ended with code ${code}:\n${output}`);
  return Number(perSecond);
}

async function makeTopics(connection: KafkaConnection, topics: readonly Topic[]): Promise<void> {
  const made = await ensureTopics(connection, topics);
  if (!made.ok) throw new Error(made.error.message);
}
