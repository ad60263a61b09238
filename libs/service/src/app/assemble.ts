import { type Topic, TOPICS } from '@finality/contracts';
import { assert, type Runtime, type Worker } from '@finality/kernel';
import { EventTransport, type MessageConsumer } from '@finality/messaging';
import { NestFactory } from '@nestjs/core';
import type { Type } from '@nestjs/common';
import type { CustomTransportStrategy } from '@nestjs/microservices';
import { PassOnErrors } from '../grpc/error-filter.ts';
import type { GrpcServices } from '../grpc/strategy.ts';
import { type Log, silentLog } from '../logging/log.ts';
import { nestLogger } from '../logging/nest-logger.ts';
import { WorkerLoop } from '../runtime/worker-loop.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type AssembledService, type ServiceBlueprint, type ServiceEnv, WORKERS } from './definition.ts';

/** Where services' public APIs are served: a `SharedGrpcServer`, or in the simulation a call within the process. */
export interface PublicApi {
  /** One app's strategy: takes its RPCs, and hands its handlers of topics on to `events`. */
  strategyFor(service: string, services: GrpcServices, events: EventTransport): CustomTransportStrategy;
}

export interface AssembleOptions {
  /** Where the blueprint's public services are served; without it there are none. */
  readonly grpc?: PublicApi;
  /** What Nest itself has to say; default: nothing. */
  readonly log?: Log;
}

/**
 * Makes a service out of its blueprint and what it lives on: one Nest app with one strategy of its own, since two services on one topic in one
 * app would reject each other's deliveries. Nothing runs yet: whoever asked loops the workers or schedules them, and opens the gRPC port.
 * A topic or an RPC of the blueprint without a handler is a bug and throws.
 */
export async function assembleService<Env extends ServiceEnv>(
  blueprint: ServiceBlueprint<Env>,
  env: Env,
  options: AssembleOptions = {},
): Promise<AssembledService> {
  const { name: service, topics, unhurried = [], grpc } = blueprint;
  const transport = new EventTransport({ service, driver: env.driver, unhurried: unhurried.map(({ name }) => name) });
  const hasPublicApi = options.grpc !== undefined && Object.keys(grpc).length > 0;
  const strategy = hasPublicApi ? options.grpc.strategyFor(service, grpc, transport) : transport;
  const app = await NestFactory.createMicroservice(blueprint.module(env), {
    strategy,
    logger: nestLogger(options.log ?? silentLog),
    abortOnError: false,
  });
  app.useGlobalFilters(new PassOnErrors());
  await app.listen();
  assertSameTopics(service, topics, transport.topics);
  const consumer = topics.length === 0 ? undefined : transport.worker;
  const own = ownMessages(blueprint, env);
  return {
    blueprint,
    consumer,
    workers: [...app.get<readonly Worker[]>(WORKERS, { strict: false }), ...(consumer ? [consumer] : [])],
    onWake: async (listener) => {
      own?.onWake(listener);
      // What a poll makes: the connection over which others' commits are heard.
      await own?.poll(0);
    },
    get: <T>(token: symbol | Type<T>) => app.get<T>(token, { strict: false }),
    close: async () => {
      await own?.close();
      await app.close();
    },
  };
}

/** What the service has published itself, by whichever call or worker, may be work for its other workers. */
function ownMessages({ name }: ServiceBlueprint, { driver }: ServiceEnv): MessageConsumer | undefined {
  const topics = Object.values<Topic>(TOPICS).filter(({ owner }) => owner === name);
  if (topics.length === 0) return undefined;
  return driver.consumer({ service: name, topics: topics.map((topic) => topic.name), replay: true });
}

function assertSameTopics(service: string, declared: readonly Topic[], handled: readonly string[]): void {
  const names = declared.map(({ name }): string => name);
  const missing = names.filter((name) => !handled.includes(name));
  assert(missing.length === 0, `${service} consumes ${missing.join(', ')} but has no handler for it`);
  const extra = handled.filter((name) => !names.includes(name));
  assert(extra.length === 0, `${service} handles ${extra.join(', ')} but doesn't say that it consumes it`);
}

export interface RunOptions {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** Default: the service's own. */
  readonly workers?: readonly Worker[];
  /** Until then only those work that a standby needs too. Default: all do at once. */
  readonly leading?: Promise<void>;
}

export interface RunningWorkers {
  readonly loops: readonly WorkerLoop[];
  /** No more steps. @returns whether those under way ended before the deadline */
  stop(deadlineMs: number): Promise<boolean>;
}

/** Everything that is published wakes every worker, tens of times a second when there is a lot to do: most find nothing. */
const REST_MS_DEFAULT = 50;

/** Production: every worker of a service in a loop of its own; one's progress, and what the service publishes, wake those that don't know by themselves. */
export async function runWorkers(assembled: AssembledService, options: RunOptions): Promise<RunningWorkers> {
  const { runtime, log } = options;
  const metrics = options.metrics?.forService(assembled.blueprint.name);
  const loops: WorkerLoop[] = [];
  const leaders: WorkerLoop[] = [];
  const woken: WorkerLoop[] = [];
  const wakeAll = (except?: WorkerLoop): void => woken.filter((loop) => loop !== except).forEach((loop) => loop.wake());
  for (const worker of options.workers ?? assembled.workers) {
    const waking: Worker = {
      name: worker.name,
      pollMs: worker.pollMs,
      restMs: worker.restMs ?? REST_MS_DEFAULT,
      get isDrained() {
        return worker.isDrained ?? false;
      },
      step: async () => {
        const progress = await worker.step();
        if (progress === 'progress') wakeAll(loop);
        return progress;
      },
    };
    const loop = new WorkerLoop({ worker: waking, runtime, log, ...(metrics && { metrics }) });
    loops.push(loop);
    if (worker.onWake) worker.onWake(() => loop.wake());
    else woken.push(loop);
    if (!worker.onStandby) leaders.push(loop);
  }
  for (const loop of loops) if (!options.leading || !leaders.includes(loop)) loop.start();
  void options.leading?.then(() => leaders.forEach((loop) => loop.start()));
  await assembled.onWake(() => wakeAll());
  return {
    loops,
    stop: async (deadlineMs) => (await Promise.all(loops.map((loop) => loop.stop(deadlineMs)))).every(Boolean),
  };
}
