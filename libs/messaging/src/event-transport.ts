import type { Outcome } from '@finality/event-store';
import { BaseRpcContext, type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import { ConsumerWorker, type TopicHandler } from './consumer-worker.ts';
import type { IncomingMessage, MessageDriver } from './port.ts';

export interface EventTransportOptions {
  /** The consuming service. */
  readonly service: string;
  readonly driver: MessageDriver;
  /** Messages per step of the worker. */
  readonly messagesMax?: number;
  readonly pollMs?: number;
  /** Topics whose messages nobody waits for. */
  readonly unhurried?: readonly string[];
}

/** Second argument of a topic's handler: where the messages come from. */
export class EventContext extends BaseRpcContext<[topic: string]> {
  getTopic(): string {
    return this.args[0];
  }
}

/**
 * Nest transport for topics: collects the `@EventPattern(TOPIC)` handlers of an app, one per topic. It runs no loop: `worker` is looped by the service,
 * or scheduled by the simulation. A handler takes `IncomingMessage[]` and returns a promise of `Outcome[]`, which is awaited; what it throws reaches
 * the worker as it is, provided that the app passes errors on (a filter that rethrows: Nest's own replaces them).
 */
export class EventTransport extends Server implements CustomTransportStrategy {
  override readonly propagatesEventHandlerErrors = true;
  readonly #options: EventTransportOptions;
  readonly #handlers = new Map<string, MessageHandler>();
  #worker: ConsumerWorker | undefined;

  constructor(options: EventTransportOptions) {
    super();
    this.#options = options;
  }

  /** Topics that have a handler; complete once the app is initialised. */
  get topics(): readonly string[] {
    return [...this.#handlers.keys()];
  }

  /** The worker that consumes them all. To be asked for once the app is initialised. */
  get worker(): ConsumerWorker {
    const { service, driver, messagesMax, pollMs, unhurried = [] } = this.#options;
    this.#worker ??= new ConsumerWorker({
      name: `${service}.consumer`,
      consumer: driver.consumer({ service, topics: this.topics, unhurried }),
      handlerOf: (topic) => this.handlerOf(topic),
      ...(messagesMax === undefined ? {} : { messagesMax }),
      ...(pollMs === undefined ? {} : { pollMs }),
    });
    return this.#worker;
  }

  /** The app's handler of a topic; also for replaying parked messages. */
  handlerOf(topic: string): TopicHandler {
    const handler = this.#handlers.get(topic);
    if (!handler) throw new Error(`${this.#options.service} has no handler for ${topic}`);
    return async (messages) => resolved(topic, await handler(messages, new EventContext([topic])));
  }

  /** Called by Nest for each handler in the app. The app's RPCs come by here too: they aren't ours. */
  override addHandler(pattern: unknown, callback: MessageHandler, isEventHandler = false): void {
    if (!isEventHandler || typeof pattern !== 'string') return;
    if (this.#handlers.has(pattern))
      throw new Error(`${pattern} has two handlers in ${this.#options.service}: one message, one command`);
    if (this.#worker) throw new Error(`a handler for ${pattern} comes after the worker was made`);
    this.#handlers.set(pattern, callback as MessageHandler<readonly IncomingMessage[]>);
  }

  listen(callback: (error?: unknown) => void): void {
    callback();
  }

  async close(): Promise<void> {
    await this.#worker?.close();
  }

  on(): void {
    throw new Error('this transport has no client events');
  }

  unwrap<T>(): T {
    throw new Error('this transport has no broker client');
  }
}

/** Nest gives handlers' results as they are, or, once an interceptor or filter is involved, as an observable. */
async function resolved(topic: string, result: unknown): Promise<readonly Outcome<unknown>[]> {
  let value = result;
  try {
    if (isObservable(result)) await result.forEach((next) => (value = next));
  } catch (error) {
    throw error instanceof Error ? error : new Error(`the handler of ${topic} failed: ${JSON.stringify(error)}`);
  }
  return value as readonly Outcome<unknown>[];
}

function isObservable(
  value: unknown,
): value is { forEach(next: (value: unknown) => void): Promise<void>; subscribe: unknown } {
  return typeof value === 'object' && value !== null && 'subscribe' in value;
}
