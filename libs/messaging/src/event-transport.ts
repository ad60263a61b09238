import { type CustomTransportStrategy, Server } from '@nestjs/microservices';
import type { ConsumerWorker, TopicHandler } from './consumer-worker.ts';
import type { MessageDriver } from './port.ts';

export interface EventTransportOptions {
  /** The consuming service. */
  readonly service: string;
  readonly driver: MessageDriver;
  readonly messagesMax?: number;
  readonly pollMs?: number;
}

/**
 * Nest transport for topics: collects the `@EventPattern(TOPIC)` handlers of an app. It runs no loop: `worker` is looped by the service, or
 * scheduled by the simulation. Handlers take `IncomingMessage[]` and return a promise of `Outcome[]`.
 */
export class EventTransport extends Server implements CustomTransportStrategy {
  override readonly propagatesEventHandlerErrors = true;
  readonly options: EventTransportOptions;
  constructor(options: EventTransportOptions) {
    super();
    this.options = options;
  }
  /** Topics that have a handler; complete once the app is initialised. */
  get topics(): readonly string[] {
    throw new Error('being written');
  }
  /** The worker that consumes them; its consumer is opened at the first step. */
  get worker(): ConsumerWorker {
    throw new Error('being written');
  }
  /** The app's handler of a topic, for replaying parked messages. */
  handlerOf(_topic: string): TopicHandler {
    throw new Error('being written');
  }
  listen(callback: (error?: unknown) => void): void {
    callback();
  }
  async close(): Promise<void> {}
  on(): void {}
  unwrap<T>(): T {
    throw new Error('there is no broker client to unwrap');
  }
}
