import type { Pool } from 'pg';
import type { ConsumerOptions, MessageConsumer, MessageDriver } from './port.ts';

export interface PostgresDriverOptions {
  /** Connections as the bus role, which can read every owner's published messages and nothing else. */
  readonly bus: Pool;
  /** Connections as the consuming service's role. */
  readonly consumer: Pool;
  /** The consuming service's schema, where its progress is kept. */
  readonly consumerSchema: string;
  /** Schema of a topic's owner. */
  readonly schemaOf: (topic: string) => string;
  /** Whether to LISTEN for new messages. Without it consumers poll only (the simulation schedules them anyway). Default true. */
  readonly listen?: boolean;
}

export class PostgresDriver implements MessageDriver {
  constructor(readonly options: PostgresDriverOptions) {}
  consumer(_options: ConsumerOptions): MessageConsumer {
    throw new Error('being written');
  }
  close(): Promise<void> {
    throw new Error('being written');
  }
}
