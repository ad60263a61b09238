import type { Topic } from '@finality/contracts';
import { err, ok, type Result } from '@finality/kernel';
import type { Admin, ITopicConfig } from 'kafkajs';
import { describeCluster } from './cluster.ts';
import { type KafkaConnection, kafkaClient, type KafkaLog, topicIn } from './connection.ts';
import { type KafkaProblem, problem, problemOf } from './problem.ts';

export interface EnsureTopicsOptions {
  /** Of topics that are made; default: as many as there are brokers, at most {@link REPLICATION_MAX_DEFAULT}. */
  readonly replication?: number;
  readonly log?: KafkaLog;
}

const REPLICATION_MAX_DEFAULT = 3;
/** From so many replicas on, a write is acknowledged by two of them: one broker may go for good. */
const REPLICATION_SAFE = 3;
const CREATE_MS_MAX = 15_000;
/** A topic that was made a moment ago isn't known to every broker yet: a look takes milliseconds, that a good second at most. */
const LOOKS_MAX = 300;
/** A process that starts says soon what is wrong; whoever started it may try again. */
const RETRIES_MAX = 2;
/** The version of the metadata request that brokers know since Kafka 2.0; kafkajs knows no later one and uses an earlier one silently. */
const METADATA_VERSION_MIN = 6;

/**
 * Makes the topics that are missing, and checks the others: partition counts are part of the contract, since a key stays on its partition for ever.
 * To be called when a service starts. Two callers at once don't hurt each other. Never waits for long: every step has a time limit.
 */
export async function ensureTopics(
  connection: KafkaConnection,
  topics: readonly Pick<Topic, 'name' | 'partitions' | 'compacted'>[],
  options: EnsureTopicsOptions = {},
): Promise<Result<void, KafkaProblem>> {
  const admin = kafkaClient(connection, options.log, RETRIES_MAX).admin();
  try {
    await admin.connect();
    const outdated = await versionProblem(admin, connection);
    if (outdated) return err(outdated);
    await createMissing(admin, connection, topics, options);
    return await checkPartitions(admin, connection, topics);
  } catch (error) {
    const found = problemOf(error, connection.brokers);
    if (!found) throw error;
    return err(found);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

async function versionProblem(admin: Admin, { brokers }: KafkaConnection): Promise<KafkaProblem | undefined> {
  const used: number[] = [];
  const forget = admin.on(admin.events.REQUEST, ({ payload: { apiName, apiVersion } }) => {
    if (apiName === 'Metadata') used.push(apiVersion);
  });
  await describeCluster(admin, brokers);
  forget();
  if (used.every((version) => version >= METADATA_VERSION_MIN)) return undefined;
  return problem('BROKER_UNSUPPORTED', `the Kafka broker at ${brokers.join(',')} is older than 2.1`);
}

async function createMissing(
  admin: Admin,
  connection: KafkaConnection,
  topics: readonly Pick<Topic, 'name' | 'partitions' | 'compacted'>[],
  { replication }: EnsureTopicsOptions,
): Promise<void> {
  const there = new Set(await admin.listTopics());
  const missing = topics.filter(({ name }) => !there.has(topicIn(connection, name)));
  if (missing.length === 0) return;
  const { brokers } = await describeCluster(admin, connection.brokers);
  const factor = replication ?? Math.min(brokers.length, REPLICATION_MAX_DEFAULT);
  await admin.createTopics({
    topics: missing.map((topic) => topicConfig(connection, topic, factor)),
    timeout: CREATE_MS_MAX,
    // Its way of waiting asks for topics by name, and fails on those that aren't known yet.
    waitForLeaders: false,
  });
}

function topicConfig(
  connection: KafkaConnection,
  { name, partitions, compacted }: Pick<Topic, 'name' | 'partitions' | 'compacted'>,
  replicationFactor: number,
): ITopicConfig {
  return {
    topic: topicIn(connection, name),
    numPartitions: partitions,
    replicationFactor,
    configEntries: [
      { name: 'cleanup.policy', value: compacted ? 'compact' : 'delete' },
      // Consumers come and go with what their owner still has, so this is a free choice; history for all who read Kafka is the friendliest.
      { name: 'retention.ms', value: '-1' },
      { name: 'retention.bytes', value: '-1' },
      // Whatever a foreign producer compresses with, everybody can read it.
      { name: 'compression.type', value: 'uncompressed' },
      ...(replicationFactor >= REPLICATION_SAFE ? [{ name: 'min.insync.replicas', value: '2' }] : []),
    ],
  };
}

async function checkPartitions(
  admin: Admin,
  connection: KafkaConnection,
  topics: readonly Pick<Topic, 'name' | 'partitions'>[],
): Promise<Result<void, KafkaProblem>> {
  if (topics.length === 0) return ok(undefined);
  const counts = await partitionCounts(
    admin,
    topics.map(({ name }) => topicIn(connection, name)),
  );
  for (const { name, partitions } of topics) {
    const topic = topicIn(connection, name);
    const count = counts.get(topic) ?? 0;
    if (count !== partitions) {
      const message = `the topic ${topic} has ${count} partitions, where the catalogue has ${partitions}`;
      return err(problem('TOPIC_PARTITIONS', message));
    }
  }
  return ok(undefined);
}

/** By topic, once all of them are known and led. */
async function partitionCounts(admin: Admin, wanted: readonly string[]): Promise<ReadonlyMap<string, number>> {
  for (let look = 1; ; look++) {
    const { topics } = await admin.fetchTopicMetadata();
    const led = topics.filter(({ partitions }) => partitions.every(({ leader }) => leader >= 0));
    const counts = new Map(led.map(({ name, partitions }) => [name, partitions.length]));
    if (look >= LOOKS_MAX || wanted.every((name) => (counts.get(name) ?? 0) > 0)) return counts;
  }
}
