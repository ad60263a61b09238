import { TOPICS } from '@finality/contracts';
import type { Worker } from '@finality/kernel';
import type { IncomingMessage, MessageConsumer, MessageDriver } from '@finality/messaging';
import { Controller, Module } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLog } from '../logging/log.ts';
import { systemRuntime } from '../runtime/system-runtime.ts';
import { assembleService, type RunningWorkers, runWorkers } from './assemble.ts';
import { type AssembledService, type ServiceBlueprint, type ServiceEnv, WORKERS } from './definition.ts';

@Controller()
class RiskVerdicts {
  @EventPattern(TOPICS.riskVerdict.name)
  handle(_messages: readonly IncomingMessage[]): Promise<never[]> {
    return Promise.resolve([]);
  }
}

@Module({})
class TestModule {}

const wakers: (() => void)[] = [];

/** Nothing ever comes. */
const driver: MessageDriver = {
  consumer: (): MessageConsumer => ({
    poll: () => Promise.resolve([]),
    acknowledge: () => Promise.resolve(),
    fetch: () => Promise.resolve([]),
    onWake: (listener) => void wakers.push(listener),
    lag: () => Promise.resolve(0n),
    close: () => Promise.resolve(),
  }),
  close: () => Promise.resolve(),
};

function blueprint(topics: ServiceBlueprint['topics'], workers: readonly Worker[] = []): ServiceBlueprint {
  return {
    name: 'aml',
    schema: 'aml',
    migrations: () => [],
    streams: [],
    entities: [],
    topics,
    grpc: {},
    module: () => ({
      module: TestModule,
      controllers: [RiskVerdicts],
      providers: [{ provide: WORKERS, useValue: workers }],
    }),
  };
}

// Of what a service lives on, this one uses the driver only.
const env = { driver } as unknown as ServiceEnv;
const assembled: AssembledService[] = [];
afterEach(async () => {
  for (const service of assembled.splice(0)) await service.close();
});

async function assemble(made: ServiceBlueprint): Promise<AssembledService> {
  const service = await assembleService(made, env);
  assembled.push(service);
  return service;
}

describe('assembling a service', () => {
  it('gives its workers and the consumer of its topics', async () => {
    const worker: Worker = { name: 'work', pollMs: 1_000, step: () => Promise.resolve('idle') };
    const service = await assemble(blueprint([TOPICS.riskVerdict], [worker]));
    expect(service.workers.map(({ name }) => name)).toEqual(['work', 'aml.consumer']);
    expect(service.get<readonly Worker[]>(WORKERS)).toEqual([worker]);
  });

  it('refuses a topic that nobody handles', async () => {
    await expect(assembleService(blueprint([TOPICS.riskVerdict, TOPICS.deposit]), env)).rejects.toThrow(
      TOPICS.deposit.name,
    );
  });

  it('refuses a handler of a topic that the blueprint does not name', async () => {
    await expect(assembleService(blueprint([]), env)).rejects.toThrow(TOPICS.riskVerdict.name);
  });
});

describe('running its workers', () => {
  const NEVER_MS = 60_000;
  let steps = 0;
  const waiting: Worker = {
    name: 'waiting',
    pollMs: NEVER_MS,
    step: () => Promise.resolve((steps += 1)).then(() => 'idle'),
  };

  async function run(...workers: readonly Worker[]): Promise<RunningWorkers> {
    steps = 0;
    const service = await assemble(blueprint([TOPICS.riskVerdict], [waiting, ...workers]));
    const running = await runWorkers(service, { runtime: systemRuntime(), log: silentLog });
    await expect.poll(() => steps).toBe(1);
    return running;
  }

  it('news wake them', async () => {
    const running = await run();
    wakers.at(-1)!();
    await expect.poll(() => steps).toBe(2);
    expect(await running.stop(1_000)).toBe(true);
  });

  it('news wake no one who knows himself when he has something to do', async () => {
    let own = (): void => undefined;
    let ownSteps = 0;
    const running = await run({
      name: 'own',
      pollMs: NEVER_MS,
      step: () => Promise.resolve((ownSteps += 1)).then(() => 'idle'),
      onWake: (listener) => (own = listener),
    });
    wakers.at(-1)!();
    await expect.poll(() => steps).toBe(2);
    expect(ownSteps).toBe(1);
    own();
    await expect.poll(() => ownSteps).toBe(2);
    expect(await running.stop(1_000)).toBe(true);
  });

  it('one’s progress wakes the others', async () => {
    let hasWork = false;
    const step = (): Promise<'progress' | 'idle'> => {
      const progress = hasWork ? 'progress' : 'idle';
      hasWork = false;
      return Promise.resolve(progress);
    };
    const running = await run({ name: 'busy', pollMs: 5, step });
    hasWork = true;
    await expect.poll(() => steps).toBe(2);
    expect(await running.stop(1_000)).toBe(true);
  });
});
