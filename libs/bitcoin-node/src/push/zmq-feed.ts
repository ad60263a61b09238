import net from 'node:net';
import { hexFromBytes, parseTxid } from '@finality/bitcoin';
import type { Runtime } from '@finality/kernel';
import { NodeUnreachable } from '../node-errors.ts';
import { type PushFeed, PushInbox, type PushNews } from './push.ts';
import { ZmtpDecoder, ZmtpFault, zmtpGreeting, zmtpReady, zmtpSubscription } from './zmtp.ts';

/** What Bitcoin Core publishes (doc/zmq.md) and we listen to. */
export type ZmqTopic = 'hashblock' | 'sequence';

export interface ZmqPublisher {
  readonly host: string;
  readonly port: number;
  readonly topics: readonly ZmqTopic[];
}

const HASH_BYTES = 32;
const COUNTER_BYTES = 4;
const COUNTER_VALUES = 2 ** 32;
/** Topic, body, counter. */
const PARTS = 3;
const CONNECT_MS_MAX = 5_000;

/**
 * Subscribes to what a node publishes by ZeroMQ. Each topic has a counter of its own: a gap in it means that the node has dropped messages.
 * Nobody authenticates there, which is one reason why nothing that it says is a fact. @throws NodeUnreachable
 */
export async function openZmqFeed(publishers: readonly ZmqPublisher[], runtime: Runtime): Promise<PushFeed> {
  const inbox = new PushInbox(runtime);
  const opened: Subscriber[] = [];
  const close = (): void => opened.forEach((subscriber) => subscriber.close());
  try {
    for (const publisher of publishers) opened.push(await Subscriber.connect(publisher, inbox, runtime));
  } catch (error) {
    close();
    throw error;
  }
  return { channel: 'zmq', next: (waitMs: number): Promise<PushNews> => inbox.next(waitMs), close };
}

class Subscriber {
  readonly #socket: net.Socket;
  readonly #inbox: PushInbox;
  readonly #name: string;
  readonly #decoder = new ZmtpDecoder();
  readonly #counters = new Map<string, number>();
  #parts: Uint8Array[] = [];
  /** Topics still to be subscribed to. */
  #unasked: readonly ZmqTopic[];

  private constructor(socket: net.Socket, inbox: PushInbox, name: string, topics: readonly ZmqTopic[]) {
    this.#socket = socket;
    this.#unasked = topics;
    this.#inbox = inbox;
    this.#name = name;
    socket.on('data', (bytes: Uint8Array) => this.#take(bytes));
    socket.on('error', (error) => this.#lose(error.message));
    socket.on('close', () => this.#lose('the connection was closed'));
  }

  static async connect({ host, port, topics }: ZmqPublisher, inbox: PushInbox, runtime: Runtime): Promise<Subscriber> {
    const name = `tcp://${host}:${port}`;
    const socket = net.connect({ host, port });
    await connected(socket, name, runtime);
    const subscriber = new Subscriber(socket, inbox, name, topics);
    socket.write(zmtpGreeting());
    socket.write(zmtpReady('SUB'));
    return subscriber;
  }

  close(): void {
    this.#socket.removeAllListeners();
    this.#socket.on('error', () => undefined);
    this.#socket.destroy();
  }

  #lose(why: string): void {
    this.#inbox.lost(new NodeUnreachable(this.#name, why));
  }

  #take(bytes: Uint8Array): void {
    try {
      for (const { body, more, command } of this.#decoder.take(bytes)) {
        if (command) {
          this.#subscribe();
          continue;
        }
        this.#parts.push(Uint8Array.from(body));
        if (more && this.#parts.length <= PARTS) continue;
        this.#message(this.#parts);
        this.#parts = [];
      }
    } catch (error) {
      if (!(error instanceof ZmtpFault)) throw error;
      this.#lose(error.message);
      this.#socket.destroy();
    }
  }

  /** Once the publisher is ready: ZeroMQ's own library hangs up on subscriptions that come before. */
  #subscribe(): void {
    for (const topic of this.#unasked) this.#socket.write(zmtpSubscription(topic));
    this.#unasked = [];
  }

  #message([topicBytes, body, counter]: readonly Uint8Array[]): void {
    if (!topicBytes || body === undefined || body.length < HASH_BYTES || counter?.length !== COUNTER_BYTES) return;
    const topic = Buffer.from(topicBytes).toString('utf8');
    this.#count(topic, Buffer.from(counter).readUInt32LE());
    if (topic === 'hashblock') return this.#inbox.chainChanged();
    if (topic !== 'sequence') return;
    switch (String.fromCharCode(body[HASH_BYTES] ?? 0)) {
      case 'C':
      case 'D':
        return this.#inbox.chainChanged();
      case 'A': {
        const txid = parseTxid(hexFromBytes(body.subarray(0, HASH_BYTES)));
        if (txid.ok) this.#inbox.transactionArrived(txid.value);
        return;
      }
      default:
        // What has left is noticed by its staying away.
        return;
    }
  }

  #count(topic: string, counter: number): void {
    const before = this.#counters.get(topic);
    this.#counters.set(topic, counter);
    if (before !== undefined && counter !== (before + 1) % COUNTER_VALUES) this.#inbox.messagesMissed();
  }
}

async function connected(socket: net.Socket, name: string, runtime: Runtime): Promise<void> {
  const settled = new AbortController();
  const opened = new Promise<string | undefined>((resolve) => {
    socket.once('connect', () => resolve(undefined));
    socket.once('error', (error) => resolve(error.message || 'it can’t be connected to'));
  });
  const late = runtime.sleep(CONNECT_MS_MAX, settled.signal).then(() => `no connection within ${CONNECT_MS_MAX} ms`);
  const problem = await Promise.race([opened, late]);
  settled.abort();
  if (problem === undefined) return;
  socket.on('error', () => undefined);
  socket.destroy();
  throw new NodeUnreachable(name, problem);
}
