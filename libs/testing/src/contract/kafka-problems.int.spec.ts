import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Result } from '@finality/kernel';
import { ensureTopics, type KafkaConnection, type KafkaProblem } from '@finality/messaging';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ACCOUNT_TOPIC, deposit } from './account.ts';
import { KafkaRig, kafkaMissing, TEST_TOPICS } from './kafka-rig.fixture.ts';
import { MessagingBench } from './messaging.contract.ts';

if (kafkaMissing === undefined) describe('a broker that can’t be used', () => problemTests());
else {
  test.skipIf(process.env['CI'] !== 'true')(`Kafka's problems (${kafkaMissing})`, () => {
    throw new Error(kafkaMissing);
  });
}

/** Users by SASL may do nothing, and those without authentication everything. */
const AUTHORIZER = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'super.users': 'User:ANONYMOUS',
};
/** However often it is tried: nobody waits for longer. */
const ANSWER_MS_MAX = 20_000;

function problemTests(): void {
  const rig = new KafkaRig({ saslUsers: { finality: 'right' }, settings: AUTHORIZER });
  const servers: Server[] = [];
  const sockets: Socket[] = [];
  beforeAll(() => rig.open());
  afterAll(() => rig.close());
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
  });

  /** A server that isn't Kafka, or not today's. */
  const pretend = async (answer: (request: Buffer, socket: Socket) => void): Promise<string> => {
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.on('data', (request) => answer(request, socket));
    });
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const at = (brokers: readonly string[], more: Partial<KafkaConnection> = {}): KafkaConnection => ({
    brokers,
    clientId: 'test',
    prefix: 'problems.',
    ...more,
  });
  const problemOf = async (connection: KafkaConnection): Promise<KafkaProblem> => {
    const started = performance.now();
    const result: Result<void, KafkaProblem> = await ensureTopics(connection, TEST_TOPICS);
    expect(performance.now() - started).toBeLessThan(ANSWER_MS_MAX);
    if (result.ok) throw new Error('there is no problem');
    return result.error;
  };
  const sasl = (password: string, mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512' = 'plain') => ({
    sasl: { mechanism, username: 'finality', password },
  });

  test('nobody listens, a name that nobody has, somebody who says nothing, somebody who isn’t Kafka', async () => {
    const silent = await pretend(() => undefined);
    const other = await pretend((_request, socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const problems = await Promise.all(
      ['127.0.0.1:9', 'no-such-host.invalid:9092', silent, other].map((broker) => problemOf(at([broker]))),
    );
    for (const { reason, hint } of problems) {
      expect(reason).toBe('BROKER_UNREACHABLE');
      expect(hint).toContain('KAFKA_BROKERS');
    }
    expect(problems[0]!.message).toMatch(/127\.0\.0\.1:9.*ECONNREFUSED/);
  });

  test('encryption or credentials that the listener doesn’t expect, or doesn’t get', async () => {
    const [plain, secured] = [rig.kafka.brokers, rig.kafka.saslBrokers!];
    const [tls, noSasl, sasled] = await Promise.all([
      problemOf(at(plain, { tls: {} })),
      problemOf(at(secured)),
      problemOf(at(plain, sasl('right'))),
    ]);
    expect(tls).toMatchObject({ reason: 'BROKER_UNREACHABLE', hint: expect.stringContaining('KAFKA_TLS') as string });
    expect(noSasl).toMatchObject({
      reason: 'BROKER_UNREACHABLE',
      hint: expect.stringContaining('KAFKA_SASL') as string,
    });
    expect(sasled).toMatchObject({ reason: 'CREDENTIALS_REFUSED' });
  });

  test.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)('a wrong password (%s)', async (mechanism) => {
    const problem = await problemOf(at(rig.kafka.saslBrokers!, sasl('wrong', mechanism)));
    expect(problem).toMatchObject({
      reason: 'CREDENTIALS_REFUSED',
      hint: expect.stringContaining('KAFKA_PASSWORD') as string,
    });
    // The right one is let in; what it may do there is another matter.
    expect(await problemOf(at(rig.kafka.saslBrokers!, sasl('right', mechanism)))).toMatchObject({
      reason: 'NOT_AUTHORIZED',
      hint: expect.stringContaining('KAFKA_USERNAME') as string,
    });
  });

  test('topics are made once, with what belongs to them; another number of partitions is a problem', async () => {
    const connection = at(rig.kafka.brokers, { prefix: 'made.' });
    const catalogue = [
      { name: ACCOUNT_TOPIC, partitions: 3, compacted: false },
      { name: 'finality.test.keys.v1', partitions: 2, compacted: true },
    ] as const;
    const both = await Promise.all([ensureTopics(connection, catalogue), ensureTopics(connection, catalogue)]);
    expect(both.map(({ ok }) => ok)).toEqual([true, true]);
    expect(await ensureTopics(connection, catalogue)).toMatchObject({ ok: true });
    const { admin } = await rig.client();
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: catalogue.map(({ name }) => ({ type: 2, name: `made.${name}` })),
    });
    const settings = resources.map(({ configEntries }) =>
      Object.fromEntries(configEntries.map(({ configName, configValue }) => [configName, configValue])),
    );
    expect(settings).toMatchObject([
      { 'cleanup.policy': 'delete', 'retention.ms': '-1', 'retention.bytes': '-1' },
      { 'cleanup.policy': 'compact', 'retention.ms': '-1' },
    ]);
    const other = await ensureTopics(connection, [{ ...catalogue[0], partitions: 4 }]);
    expect(other).toMatchObject({
      ok: false,
      error: { reason: 'TOPIC_PARTITIONS', message: expect.stringMatching(/made\..* has 3 .* has 4/) as string },
    });
    const replicated = await ensureTopics({ ...connection, prefix: 'replicated.' }, catalogue, { replication: 3 });
    expect(replicated).toMatchObject({ ok: false, error: { reason: 'TOPIC_REFUSED' } });
  });

  test('a broker of long ago', async () => {
    const old = await pretend((request, socket) => socket.write(oldBroker(request, socket.localPort!)));
    expect(await problemOf(at([old]))).toMatchObject({ reason: 'BROKER_UNSUPPORTED' });
  });

  test('consumers and relay throw the problem, each time they are asked', async () => {
    const bench = new MessagingBench((setting) => rig.driver(setting, 'away.', () => false, ['127.0.0.1:9']));
    await bench.open();
    await bench.next();
    const relay = rig.relay(bench.source, 'missing.');
    const consumer = bench.consumer();
    const unreachable = { name: 'KafkaError', problem: { reason: 'BROKER_UNREACHABLE' } };
    const polling = async (): Promise<void> => {
      for (;;) {
        await consumer.poll(10);
        await sleep(20);
      }
    };
    await expect(polling()).rejects.toMatchObject(unreachable);
    await expect(polling()).rejects.toMatchObject(unreachable);
    await expect(consumer.lag()).rejects.toMatchObject(unreachable);
    await bench.sourceStore.execute([deposit('a', 1n)]);
    await expect(relay.step()).rejects.toMatchObject({ problem: { reason: 'TOPIC_MISSING' } });
    await relay.close();
    await bench.close();
  });
}

/** Answers as a broker of Kafka 0.11 would: ApiVersions (18) and Metadata (3). */
function oldBroker(request: Buffer, port: number): Buffer {
  const correlation = request.subarray(8, 12);
  const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
  const int32 = (value: number): Buffer => Buffer.concat([int16(value >> 16), int16(value & 0xffff)]);
  const text = (value: string): Buffer => Buffer.concat([int16(value.length), Buffer.from(value)]);
  const versions = [
    [0, 3],
    [1, 5],
    [3, 4],
    [18, 1],
    [19, 2],
  ].map(([api, max]) => Buffer.concat([int16(api!), int16(0), int16(max!)]));
  const isVersions = request.readInt16BE(4) === 18;
  const body = isVersions
    ? [int16(0), int32(versions.length), ...versions, int32(0)]
    : [int32(0), int32(1), int32(1), text('127.0.0.1'), int32(port), int16(-1), text('old'), int32(1), int32(0)];
  const answer = Buffer.concat([correlation, ...body]);
  return Buffer.concat([int32(answer.length), answer]);
}
