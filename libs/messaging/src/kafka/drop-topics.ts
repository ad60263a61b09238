import type { Topic } from '@finality/contracts';
import { type KafkaConnection, kafkaClient, topicIn } from './connection.ts';
import { kafkaErrorOf } from './problem.ts';

const DELETE_MS_MAX = 30_000;
const LOOKS_MAX = 100;

/** Those of the topics that the cluster has. @throws KafkaError */
export async function topicsThere(
  connection: KafkaConnection,
  topics: readonly Pick<Topic, 'name'>[],
): Promise<readonly string[]> {
  return withAdmin(connection, async (admin) => {
    const there = new Set(await admin.listTopics());
    return topics.map(({ name }) => topicIn(connection, name)).filter((name) => there.has(name));
  });
}

/**
 * Removes topics with all that is in them, and with them what consumer groups knew of their progress: for a platform that begins from nothing. What its
 * predecessor said would otherwise be news to it.
 * @throws KafkaError
 */
export async function dropTopics(connection: KafkaConnection, topics: readonly Pick<Topic, 'name'>[]): Promise<void> {
  const there = await topicsThere(connection, topics);
  if (there.length === 0) return;
  await withAdmin(connection, async (admin) => {
    await admin.deleteTopics({ topics: [...there], timeout: DELETE_MS_MAX });
    // Gone is gone only when the cluster no longer lists it: a topic of that name can be made again then.
    for (let i = 0; i < LOOKS_MAX; i++) {
      const left = await admin.listTopics();
      if (!there.some((name) => left.includes(name))) return;
    }
  });
}

type Admin = ReturnType<ReturnType<typeof kafkaClient>['admin']>;

async function withAdmin<T>(connection: KafkaConnection, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafkaClient(connection, undefined).admin();
  try {
    await admin.connect();
    return await work(admin);
  } catch (error) {
    throw kafkaErrorOf(error, connection.brokers);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
