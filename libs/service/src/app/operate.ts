import { countKept } from '@finality/event-store';
import type { Worker } from '@finality/kernel';
import { ParkedKeys } from '@finality/messaging';
import { databaseCheck, type HealthRegistry, workerCheck } from '../health/health.ts';
import type { Log } from '../logging/log.ts';
import type { Metrics, ServiceMetrics } from '../telemetry/metrics.ts';
import { type RunningWorkers, runWorkers } from './assemble.ts';
import type { AssembledService, ServiceEnv } from './definition.ts';
import { FreeKeys } from './free-keys.worker.ts';

export interface OperateOptions {
  /** What the service was assembled on. */
  readonly base: Omit<ServiceEnv, 'config'>;
  readonly health: HealthRegistry;
  readonly metrics: Metrics;
  readonly log: Log;
  /** How long idempotency keys of callers are kept; undefined: for ever. */
  readonly keysKeptDays: number | undefined;
  /** Work of the process beside the service's own: the relay to Kafka. */
  readonly workers?: readonly Worker[];
  /** Where other processes of the service may be the one that writes: resolves when this one is. */
  readonly leading?: Promise<void>;
}

/** Production, in one process or seven: the service's workers in loops, its health checks, and figures that are read when somebody scrapes. */
export async function operate(service: AssembledService, options: OperateOptions): Promise<RunningWorkers> {
  const { base, health, log, leading, keysKeptDays: keptDays } = options;
  const { blueprint, consumer } = service;
  const { name, schema } = blueprint;
  const { pool, runtime } = base;
  const metrics = options.metrics.forService(name);
  const check: HealthRegistry['register'] = (what, run) => health.register(`${name}/${what}`, run);
  check('database', databaseCheck(pool));
  if (consumer) {
    const parked = new ParkedKeys({ pool, schema, runtime });
    metrics.watch('finality_consumer_lag_messages', 'Messages published but not yet handled', {}, async () =>
      Number(await consumer.lag()),
    );
    metrics.watch('finality_parked_keys', 'Keys whose messages wait behind one that could not be handled', {}, () =>
      parked.count(),
    );
  }
  watchKept(metrics, { pool, schema });
  const freeing = keptDays === undefined ? [] : [new FreeKeys({ service: name, pool, schema, runtime, keptDays })];
  const observers = blueprint.observe?.(service, { base, metrics, check }) ?? [];
  const workers = [...service.workers, ...freeing, ...(options.workers ?? []), ...observers];
  const running = await runWorkers(service, {
    runtime,
    log,
    metrics: options.metrics,
    workers,
    ...(leading && { leading }),
  });
  for (const loop of running.loops) check(loop.status().name, workerCheck(loop));
  return running;
}

/** Rows that grow with what callers ask and others say. */
function watchKept(metrics: ServiceMetrics, store: Parameters<typeof countKept>[0]): void {
  metrics.watch(
    'finality_idempotency_keys',
    'Idempotency keys that are kept, about (as of the last ANALYZE)',
    {},
    async () => (await countKept(store)).idempotencyKeys,
  );
  metrics.watch(
    'finality_inbox_keys',
    'Keys of consumed topics of which the place is kept, about (as of the last ANALYZE)',
    {},
    async () => (await countKept(store)).inboxKeys,
  );
}
