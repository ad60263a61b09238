import type { Admin } from 'kafkajs';
import { KafkaError, problem } from './problem.ts';

/**
 * What the cluster says of itself; its id changes when its data is made anew. When no broker answers, kafkajs 2.2.4 may fail to take that apart.
 * @throws KafkaError then, and whatever else kafkajs throws as it is
 */
export async function describeCluster(
  admin: Admin,
  brokers: readonly string[],
): Promise<{ readonly clusterId: string; readonly brokers: readonly unknown[] }> {
  try {
    return await admin.describeCluster();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const at = brokers.join(',');
    throw new KafkaError(problem('BROKER_UNREACHABLE', `no Kafka broker answers at ${at}`), { cause: error });
  }
}
