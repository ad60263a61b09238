import type { CommandHandler, StreamType } from './port.ts';
import { PostgresEventStore, type EventStoreOptions } from './store.ts';
import { assertNever, type CauseContext, encodeJson } from '@finality/kernel';

export interface AppendBench {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

interface Counted {
  readonly type: 'counted';
  readonly amount: bigint;
}

const counterType: StreamType<{ readonly total: bigint }, Counted> = {
  aggregate: {
    name: 'bench-counter',
    initialState: { total: 0n },
    evolve: (state, event) =>
      event.type === 'counted' ? { total: state.total + event.amount } : assertNever(event.type, 'event'),
  },
  institutions: () => ['bench'],
  publish: (event, state, { stream }) => [
    {
      topic: 'finality.bench.counter.v1',
      orderingKey: stream,
      type: 'finality.bench.v1.Counted',
      schemaVersion: 1,
      payload: Buffer.from(encodeJson({ amount: event.amount, total: state.total })),
    },
  ],
};

const handler: CommandHandler<{ readonly id: string }, undefined, null> = {
  load: async (session, commands, batch) => {
    await batch.loadStreams(
      session,
      commands.map(({ body }) => `bench-counter/${body.id}`),
    );
    return undefined;
  },
  handle: ({ body }, _world, batch) => {
    batch.append(counterType, body.id, { type: 'counted', amount: 1n });
    return { kind: 'accepted', reply: null };
  },
  save: () => Promise.resolve(),
};

/**
 * How fast a store takes commands of the simplest kind: one new stream, one event, one message, one request key each. To be run on a schema made for
 * it: what is written stays.
 */
export async function benchAppend(
  store: Pick<EventStoreOptions<never, never, never>, 'pool' | 'schema' | 'runtime'>,
  commands: number,
): Promise<AppendBench[]> {
  const { runtime } = store;
  let batches = 0;
  const appender = new PostgresEventStore({
    ...store,
    service: 'bench',
    handler,
    onBatch: () => (batches += 1),
    limits: { queueCommandsMax: commands },
  });
  const cause: CauseContext = {
    actor: { kind: 'service', id: 'bench' },
    occurredAt: runtime.now(),
    correlationId: 'bench',
    causationId: 'bench',
  };
  const commandOf = (id: string) => ({
    body: { id },
    cause,
    idempotency: { principal: 'bench', rpc: 'Count', key: id, fields: { version: '1' }, resourceId: id },
  });
  const startedMs = runtime.monotonicMs();
  await appender.execute(Array.from({ length: commands }, () => commandOf(runtime.id())));
  const batchedMs = runtime.monotonicMs() - startedMs;
  const singleStartedMs = runtime.monotonicMs();
  for (let i = 0; i < SINGLE_COMMANDS; i++) await appender.execute([commandOf(runtime.id())]);
  const singleMs = (runtime.monotonicMs() - singleStartedMs) / SINGLE_COMMANDS;
  return [
    { name: 'append.batched', value: (commands / batchedMs) * 1_000, unit: 'commands/s' },
    { name: 'append.batch', value: batchedMs / (batches - SINGLE_COMMANDS), unit: 'ms' },
    { name: 'append.single', value: singleMs, unit: 'ms' },
  ];
}

const SINGLE_COMMANDS = 50;
