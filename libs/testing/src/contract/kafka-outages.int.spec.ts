import { setTimeout as sleep } from 'node:timers/promises';
import { ConsumerWorker } from '@finality/messaging';
import { startKafka } from '@finality/tools/servers/kafka.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ACCOUNT_TOPIC, deposit } from './account.ts';
import { KafkaRig, kafkaMissing, until } from './kafka-rig.fixture.ts';
import { drain, MessagingBench } from './messaging.contract.ts';

if (kafkaMissing === undefined) describe('a broker that is away for a while', () => outageTests());
else {
  test.skipIf(process.env['CI'] !== 'true')(`Kafka's outages (${kafkaMissing})`, () => {
    throw new Error(kafkaMissing);
  });
}

const MESSAGES = 10_000;
const KEYS = 200;
const BATCH = 250;
const TEST_MS_MAX = 120_000;

function outageTests(): void {
  const rig = new KafkaRig();
  let prefix = '';
  const bench = new MessagingBench((setting) => rig.driver(setting, prefix));
  beforeAll(async () => {
    await Promise.all([rig.open(), bench.open()]);
  });
  beforeEach(async () => {
    await bench.next();
    prefix = `${bench.source.name}.`;
    await rig.topics(prefix);
  });
  afterAll(async () => {
    await bench.close();
    await rig.close();
  });

  const publish = async (messages: number): Promise<void> => {
    for (let i = 0; i < messages; i += BATCH) {
      const batch = Array.from({ length: BATCH }, (_, k) => deposit(`key-${(i + k) % KEYS}`, BigInt(i + k)));
      await bench.sourceStore.execute(batch);
    }
  };
  const applied = async (): Promise<number> => {
    const { rows } = await bench.sink.pool.query<{ count: string }>('SELECT count(*)::text AS count FROM events');
    return Number(rows[0]!.count);
  };

  test(
    'killed and started again while 10,000 messages pass: by key, none lost, none applied twice, all in the broker’s log',
    async () => {
      await rig.beginAtStart(prefix, bench.sink.name);
      const relay = rig.relay(bench.source, prefix);
      const worker = bench.worker();
      const errors: string[] = [];
      const loops = [
        loop(relay, (error) => errors.push(nameOf(error))),
        loop(worker, (error) => errors.push(nameOf(error))),
      ];
      const publishing = publish(MESSAGES);
      await until('a part is applied', async () => (await applied()) > MESSAGES / 5);
      await rig.kafka.kill();
      await publishing;
      expect(await applied()).toBeLessThan(MESSAGES);
      rig.kafka = await startKafka(rig.kafka.again);
      await until('everything is applied', async () => (await applied()) >= MESSAGES, TEST_MS_MAX);
      await until('nothing is left', async () => (await worker.lag()) === 0n && (await relay.lag()) === 0n);
      expect(await bench.amounts(bench.sink)).toEqual(await bench.amounts(bench.source));
      for (const stop of loops) await stop();
      await Promise.all([relay.close(), worker.close()]);
      expect(errors.length).toBeGreaterThan(0);
      expect(new Set(errors)).toEqual(new Set(['KafkaError']));

      // Whoever reads the broker's log finds each message, the first of its kind in order; repeats are those of a batch that wasn't acknowledged.
      const lastOf = new Map<string, bigint>();
      for (const { key, sequence } of await rig.records(`${prefix}${ACCOUNT_TOPIC}`)) {
        const last = lastOf.get(key) ?? 0n;
        expect(sequence).toBeLessThanOrEqual(last + 1n);
        if (sequence > last) lastOf.set(key, sequence);
      }
      expect(lastOf.size).toBe(KEYS);
      expect(new Set(lastOf.values())).toEqual(new Set([BigInt(MESSAGES / KEYS)]));
    },
    TEST_MS_MAX,
  );

  test(
    'its data lost: consumers at work and new ones get everything, and its new log has it all',
    async () => {
      await rig.beginAtStart(prefix, bench.sink.name);
      const relay = rig.relay(bench.source, prefix);
      const worker = bench.worker();
      await publish(2 * BATCH);
      await drain(relay);
      const stop = loop(worker, () => undefined);
      await until('all is applied', async () => (await applied()) >= 2 * BATCH);
      await publish(2 * BATCH);
      await rig.replace();
      await rig.topics(prefix);
      const stopRelay = loop(relay, () => undefined);
      await until('all is applied', async () => (await applied()) >= 4 * BATCH);
      await publish(BATCH);
      await until('what is new is applied', async () => (await applied()) >= 5 * BATCH);
      expect(await bench.amounts(bench.sink)).toEqual(await bench.amounts(bench.source));
      await stop();
      await worker.close();

      await bench.db.add('latecomer');
      const latecomer = bench.db.service('latecomer');
      const store = bench.storeOf(latecomer);
      const driver = rig.driver({ db: bench.db, consumer: latecomer, source: bench.source }, prefix);
      const late = new ConsumerWorker({
        name: 'latecomer.consumer',
        consumer: driver.consumer({ service: latecomer.name, topics: [ACCOUNT_TOPIC] }),
        handlerOf: () => bench.handlerOf(store),
      });
      const stopLate = loop(late, () => undefined);
      await until('it has all', async () => (await late.lag()) === 0n);
      await stopLate();
      await driver.close();
      expect(await bench.amounts(latecomer)).toEqual(await bench.amounts(bench.source));
      await stopRelay();
      await relay.close();
      const seen = await rig.records(`${prefix}${ACCOUNT_TOPIC}`);
      expect(new Set(seen.map(({ key, sequence }) => `${key} ${sequence}`)).size).toBe(5 * BATCH);
    },
    TEST_MS_MAX,
  );
}

/** As production loops a worker, but for the length of the pause. @returns how to stop it */
function loop(
  worker: { step(): Promise<'progress' | 'idle'> },
  onError: (error: unknown) => void,
): () => Promise<void> {
  const stopping = new AbortController();
  const running = (async () => {
    while (!stopping.signal.aborted) {
      const done = await worker.step().catch((error: unknown) => {
        onError(error);
        return 'failed' as const;
      });
      if (done !== 'progress') await sleep(done === 'idle' ? 5 : 200);
    }
  })();
  return () => {
    stopping.abort();
    return running;
  };
}

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : String(error));
