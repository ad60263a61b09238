import 'reflect-metadata';
import { type MessageRef, type Outcome, parseInstant } from '@finality/event-store';
import { Controller, Module, type RpcExceptionFilter } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern } from '@nestjs/microservices';
import { throwError } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { causeOf } from './command.ts';
import { EventTransport } from './event-transport.ts';
import type { IncomingMessage, MessageConsumer, MessageDriver } from './port.ts';

const TOPIC_A = 'finality.test.a.v1';
const TOPIC_B = 'finality.test.b.v1';

@Controller()
class AMessages {
  @EventPattern(TOPIC_A)
  handle(messages: readonly MessageRef[]): Promise<Outcome<string>[]> {
    return Promise.resolve(messages.map(({ id }) => ({ kind: 'accepted', reply: id, position: 1n })));
  }
}

@Controller()
class BMessages {
  @EventPattern(TOPIC_B)
  handle(_messages: readonly MessageRef[]): Promise<Outcome<string>[]> {
    return Promise.reject(new TypeError('no such account'));
  }

  @MessagePattern('an rpc')
  rpc(): string {
    return 'not an event';
  }
}

@Module({ controllers: [AMessages, BMessages] })
class App {}

@Controller()
class TwiceMessages {
  @EventPattern(TOPIC_A)
  handle(_messages: readonly MessageRef[]): Promise<Outcome<string>[]> {
    return Promise.resolve([]);
  }
}

@Module({ controllers: [AMessages, TwiceMessages] })
class TwiceApp {}

class PassOn implements RpcExceptionFilter {
  catch(error: unknown): ReturnType<typeof throwError> {
    return throwError(() => error);
  }
}

/** Delivers a list once and remembers what was acknowledged. */
function listDriver(messages: readonly IncomingMessage[], acknowledged: string[] = []): MessageDriver {
  const left = [...messages];
  const consumer: MessageConsumer = {
    poll: (limit) => Promise.resolve(left.splice(0, limit)),
    acknowledge: (done) => Promise.resolve(void acknowledged.push(...done.map(({ id }) => id))),
    fetch: () => Promise.resolve([]),
    onWake: () => undefined,
    lag: () => Promise.resolve(BigInt(left.length)),
    close: () => Promise.resolve(),
  };
  return { consumer: () => consumer, close: () => Promise.resolve() };
}

function message(topic: string, sequence: bigint, headers: Record<string, string> = {}): IncomingMessage {
  const id = `${topic}-${sequence}`;
  return {
    topic,
    orderingKey: 'k',
    sequence,
    id,
    type: 't',
    schemaVersion: 1,
    headers,
    payload: new Uint8Array(),
    position: sequence,
    ordinal: 0,
  };
}

async function started(module: new () => unknown, transport: EventTransport) {
  const app = await NestFactory.createMicroservice(module, { strategy: transport, logger: false, abortOnError: false });
  app.useGlobalFilters(new PassOn());
  await app.listen();
  return app;
}

describe('EventTransport', () => {
  test('collects the topics of an app and hands their messages to its handlers', async () => {
    const acknowledged: string[] = [];
    const transport = new EventTransport({
      service: 'test',
      driver: listDriver([message(TOPIC_A, 1n), message(TOPIC_A, 2n)], acknowledged),
    });
    const app = await started(App, transport);
    expect(transport.topics).toEqual([TOPIC_A, TOPIC_B]);
    expect(await transport.handlerOf(TOPIC_A)([message(TOPIC_A, 7n)])).toMatchObject([{ reply: `${TOPIC_A}-7` }]);
    expect(await transport.worker.step()).toBe('progress');
    expect(await transport.worker.step()).toBe('idle');
    expect(acknowledged).toEqual([`${TOPIC_A}-1`, `${TOPIC_A}-2`]);
    await app.close();
  });

  test('an error of a handler reaches the worker as it is; nothing is acknowledged', async () => {
    const acknowledged: string[] = [];
    const transport = new EventTransport({ service: 'test', driver: listDriver([message(TOPIC_B, 1n)], acknowledged) });
    const app = await started(App, transport);
    for (let i = 0; i < 2; i++) await expect(transport.worker.step()).rejects.toThrow(new TypeError('no such account'));
    expect(acknowledged).toEqual([]);
    await app.close();
  });

  test('refuses a second handler for a topic: one message, one command', async () => {
    const transport = new EventTransport({ service: 'test', driver: listDriver([]) });
    await expect(started(TwiceApp, transport)).rejects.toThrow('two handlers');
  });
});

describe('the cause of a command', () => {
  test('is the message, and the request behind it', () => {
    const headers = {
      ce_source: '/finality/chain-watcher',
      ce_time: '2026-01-02T03:04:05.006Z',
      ce_correlationid: 'request-1',
      traceparent: '00-a-b-01',
    };
    expect(causeOf(message(TOPIC_A, 1n, headers))).toEqual({
      actor: { kind: 'service', id: 'chain-watcher' },
      occurredAt: parseInstant('2026-01-02T03:04:05.006Z'),
      correlationId: 'request-1',
      causationId: `${TOPIC_A}-1`,
      traceparent: '00-a-b-01',
    });
  });

  test('of a foreign message without those headers is the message alone', () => {
    expect(causeOf(message(TOPIC_A, 1n))).toEqual({
      actor: { kind: 'service', id: 'unknown' },
      occurredAt: 0,
      correlationId: `${TOPIC_A}-1`,
      causationId: `${TOPIC_A}-1`,
    });
  });
});
