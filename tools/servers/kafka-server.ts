import { KAFKA_VERSION } from './kafka-install.ts';
import { askKafka } from './kafka-protocol.ts';
import { startKafka } from './kafka.ts';
import { firstFreePort } from './ports.ts';
import type { ServerKind } from './server.ts';

const PORT_PREFERRED = 9092;

/** One Apache Kafka broker. @param port default: 9092, or any other when that is taken */
export function kafkaServer(port?: number): ServerKind {
  return {
    name: 'kafka',
    about: `Apache Kafka ${KAFKA_VERSION}, one broker; needs Java 17, is fetched from Maven Central`,
    endSignal: 'SIGTERM',
    async start(options) {
      const kafka = await startKafka({ ...options, port: port ?? (await firstFreePort(PORT_PREFERRED)) });
      return () => kafka.stop();
    },
    async ask({ KAFKA_BROKERS = '' }) {
      const cluster = await askKafka(Number(KAFKA_BROKERS.split(':')[1]));
      return cluster && cluster.brokers.length > 0 ? '' : undefined;
    },
  };
}
