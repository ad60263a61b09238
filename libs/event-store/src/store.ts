import type { Runtime } from '@finality/kernel';
import type { Pool } from 'pg';
import type { Faults } from './faults.ts';
import type { CommandHandler, EventStore, InboxNote, Outcome, StoreCommand } from './port.ts';
import type { TransactionTimeouts } from './session.ts';

export interface EventStoreOptions<Body, World, Reply> {
  /** Connections as the service's role. One of them appends at a time. */
  readonly pool: Pool;
  readonly schema: string;
  /** `settlement`: the source in the envelope of what it publishes. */
  readonly service: string;
  readonly handler: CommandHandler<Body, World, Reply>;
  readonly runtime: Runtime;
  readonly limits?: Partial<StoreLimits>;
  readonly timeouts?: Partial<TransactionTimeouts>;
  readonly faults?: Faults;
  /** Told about every committed batch, for metrics. Mustn't throw. */
  readonly onBatch?: (batch: BatchReport) => void;
}

export interface StoreLimits {
  /** Commands decided in one transaction. */
  readonly batchCommandsMax: number;
  /** Commands waiting; past it they are refused as `resource_exhausted`, to be tried again. */
  readonly queueCommandsMax: number;
}

export interface BatchReport {
  readonly commands: number;
  readonly events: number;
  readonly messages: number;
  readonly durationMs: number;
}

export const STORE_LIMITS_DEFAULT: StoreLimits = { batchCommandsMax: 1_000, queueCommandsMax: 20_000 };

/** The store of a service: its schema in Postgres (DESIGN 4). */
export class PostgresEventStore<Body, World, Reply> implements EventStore<Body, Reply> {
  constructor(readonly options: EventStoreOptions<Body, World, Reply>) {}
  execute(_commands: readonly (StoreCommand<Body> | InboxNote)[]): Promise<readonly Outcome<Reply>[]> {
    throw new Error('being written');
  }
}
