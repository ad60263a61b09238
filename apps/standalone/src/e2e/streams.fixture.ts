import type { settlementV1 } from '@finality/contracts';
import type { ClientReadableStream, StatusObject } from '@grpc/grpc-js';
import type { Api } from './api.fixture.ts';
import { until } from './wait.fixture.ts';

/** What has come over a stream so far, and how it ended. */
export class Received<T> {
  readonly messages: T[] = [];
  readonly #stream: ClientReadableStream<T>;
  #end: StatusObject | undefined;

  constructor(stream: ClientReadableStream<T>) {
    this.#stream = stream;
    stream.on('data', (message: T) => this.messages.push(message));
    stream.on('status', (end: StatusObject) => (this.#end = end));
    // The status says it all.
    stream.on('error', () => undefined);
  }

  /** The messages, once they are as expected. */
  until(what: string, isExpected: (messages: readonly T[]) => boolean): Promise<readonly T[]> {
    return until(what, () => Promise.resolve(this.messages), isExpected);
  }

  async end(): Promise<StatusObject> {
    return (await until(
      'the stream has ended',
      () => Promise.resolve(this.#end),
      (end) => end !== undefined,
    ))!;
  }

  cancel(): void {
    this.#stream.cancel();
  }
}

export function watch({ streams, metadata }: Api, afterCursor = ''): Received<settlementV1.SettlementEvent> {
  return new Received(streams.watchSettlements({ afterCursor }, metadata));
}
