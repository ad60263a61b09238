import { connect } from 'node:net';

const ANSWER_MS_MAX = 2_000;
const ANSWER_BYTES_MAX = 64 * 1024;
const METADATA = 3;
/** The first version with the cluster's id. */
const METADATA_VERSION = 2;
const CORRELATION_ID = 1;
const CLIENT_ID = 'finality-servers';

/** What a broker says about its cluster. */
export interface KafkaCluster {
  readonly id: string | undefined;
  /** host:port, as advertised on the listener that was asked. */
  readonly brokers: readonly string[];
}

/**
 * Asks a broker on loopback, without TLS or SASL, for its cluster (Kafka protocol guide, Metadata request, version 2, of no topics). So little is
 * needed of the protocol that no client is: one connects, retries and logs by ideas of its own.
 * @returns `undefined` when nobody answers it properly
 */
export function askKafka(port: number): Promise<KafkaCluster | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let received = Buffer.alloc(0);
    const done = (cluster?: KafkaCluster): void => {
      clearTimeout(limit);
      socket.destroy();
      resolve(cluster);
    };
    const limit = setTimeout(done, ANSWER_MS_MAX);
    socket.once('connect', () => socket.write(metadataRequest()));
    socket.once('error', () => done());
    socket.once('close', () => done());
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 4) return;
      const length = received.readInt32BE(0);
      if (length > ANSWER_BYTES_MAX || length < 0) done();
      else if (received.length >= 4 + length) done(readCluster(received.subarray(4, 4 + length)));
    });
  });
}

function metadataRequest(): Buffer {
  const clientId = Buffer.from(CLIENT_ID);
  const header = Buffer.alloc(4 + 2 + 2 + 4 + 2);
  const noTopics = Buffer.alloc(4);
  header.writeInt32BE(header.length - 4 + clientId.length + noTopics.length, 0);
  header.writeInt16BE(METADATA, 4);
  header.writeInt16BE(METADATA_VERSION, 6);
  header.writeInt32BE(CORRELATION_ID, 8);
  header.writeInt16BE(clientId.length, 12);
  return Buffer.concat([header, clientId, noTopics]);
}

function readCluster(answer: Buffer): KafkaCluster | undefined {
  let at = 0;
  const int32 = (): number => answer.readInt32BE((at += 4) - 4);
  const string = (): string | undefined => {
    const length = answer.readInt16BE((at += 2) - 2);
    return length < 0 ? undefined : answer.toString('utf8', at, (at += length));
  };
  try {
    if (int32() !== CORRELATION_ID) return undefined;
    const brokers: string[] = [];
    for (let left = int32(); left > 0; left--) {
      int32();
      brokers.push(`${string()}:${int32()}`);
      string();
    }
    return { id: string(), brokers };
  } catch {
    // Another program's answer, shorter than its numbers say.
    return undefined;
  }
}
