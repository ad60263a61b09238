import type { ConsumerOptions, MessageConsumer, MessageDriver } from './port.ts';

export interface PermutingOptions {
  /** Uniform in [0, 1). The same sequence of numbers gives the same deliveries. */
  readonly random: () => number;
  /** Chance that a message is delivered once more, now or later. Default 0.2. */
  readonly repeatProbability?: number;
}

/** For tests and the simulation: permutes messages across keys and repeats some, even acknowledged ones. Order per key stays. */
export class PermutingDriver implements MessageDriver {
  constructor(
    readonly inner: MessageDriver,
    readonly options: PermutingOptions,
  ) {}
  consumer(_options: ConsumerOptions): MessageConsumer {
    throw new Error('being written');
  }
  close(): Promise<void> {
    return this.inner.close();
  }
}
