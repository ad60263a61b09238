import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { bytesFromHex } from '@finality/bitcoin';
import { subscribedTopic, ZmtpDecoder, zmtpGreeting, zmtpMessage, zmtpReady } from '@finality/bitcoin-node';
import type { NodeFaults } from './faults.ts';
import type { ChainNotice } from './simulated-chain.ts';

export interface ZmqPublisher {
  /** `tcp://127.0.0.1:port`, as getzmqnotifications tells it. */
  readonly address: string;
  publish(notice: ChainNotice): void;
  close(): Promise<void>;
}

const COUNTER_BYTES = 4;
const COUNTER_VALUES = 2 ** 32;

/** Publishes what happens on a chain as Bitcoin Core does by ZeroMQ (doc/zmq.md): `hashblock` and `sequence`, each with its counter. */
export async function startZmqPublisher(host: string, faults: NodeFaults): Promise<ZmqPublisher> {
  const subscribers = new Map<net.Socket, Set<string>>();
  const counters = new Map<string, number>();
  const server = net.createServer((socket) => serve(socket, subscribers));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, resolve);
  });
  let mempoolSequence = 0n;
  const send = (topic: string, body: Uint8Array): void => {
    const count = counters.get(topic) ?? 0;
    counters.set(topic, (count + 1) % COUNTER_VALUES);
    if (faults.dropsMessages) return;
    const counter = Buffer.alloc(COUNTER_BYTES);
    counter.writeUInt32LE(count);
    const message = zmtpMessage([Buffer.from(topic), body, counter]);
    for (const [socket, topics] of subscribers)
      if ([...topics].some((each) => topic.startsWith(each))) socket.write(message);
  };
  return {
    address: `tcp://${host}:${(server.address() as AddressInfo).port}`,
    publish(notice) {
      if (notice.kind === 'tip') return send('hashblock', bytesFromHex(notice.hash));
      const label = Buffer.from(LABELS[notice.kind]);
      if ('hash' in notice) return send('sequence', Buffer.concat([bytesFromHex(notice.hash), label]));
      mempoolSequence += 1n;
      const sequence = Buffer.alloc(8);
      sequence.writeBigUInt64LE(mempoolSequence);
      return send('sequence', Buffer.concat([bytesFromHex(notice.txid), label, sequence]));
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of subscribers.keys()) socket.destroy();
      }),
  };
}

const LABELS = { connected: 'C', disconnected: 'D', added: 'A', removed: 'R' } as const;

function serve(socket: net.Socket, subscribers: Map<net.Socket, Set<string>>): void {
  const topics = new Set<string>();
  const decoder = new ZmtpDecoder();
  subscribers.set(socket, topics);
  socket.on('error', () => socket.destroy());
  socket.on('close', () => subscribers.delete(socket));
  socket.on('data', (bytes: Uint8Array) => {
    try {
      for (const frame of decoder.take(bytes)) {
        const topic = subscribedTopic(frame);
        if (topic !== undefined) topics.add(topic);
      }
    } catch {
      // Whatever it is, it doesn't speak ZMTP.
      socket.destroy();
    }
  });
  socket.write(zmtpGreeting());
  socket.write(zmtpReady('PUB'));
}
