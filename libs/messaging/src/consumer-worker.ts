import type { Outcome } from '@finality/event-store';
import type { Worker } from '@finality/kernel';
import type { IncomingMessage, MessageConsumer } from './port.ts';

/** What a topic's messages are handed to: resolves with one outcome per message, in their order; rejects when nothing is known (tried again). */
export type TopicHandler = (messages: readonly IncomingMessage[]) => Promise<readonly Outcome<unknown>[]>;

export interface ConsumerWorkerOptions {
  readonly name: string;
  readonly consumer: MessageConsumer;
  readonly handlerOf: (topic: string) => TopicHandler;
  readonly messagesMax?: number;
  readonly pollMs?: number;
}

/** Polls, hands over, fetches what is missing, then acknowledges. An error leaves everything unacknowledged: the next step tries again. */
export class ConsumerWorker implements Worker {
  readonly name: string;
  readonly pollMs: number;
  constructor(readonly options: ConsumerWorkerOptions) {
    this.name = options.name;
    this.pollMs = options.pollMs ?? 250;
  }
  step(): Promise<'progress' | 'idle'> {
    throw new Error('being written');
  }
}
