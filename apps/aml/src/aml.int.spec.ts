import { Metadata } from '@grpc/grpc-js';
import type { INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AML_RULES_DEFAULT } from '@finality/aml';
import { amlV1, institutionV1, settlementV1, TOPICS } from '@finality/contracts';
import { PostgresEventStore, type PublicMessage, type StreamType } from '@finality/event-store';
import { EventTransport, PermutingDriver, PostgresDriver } from '@finality/messaging';
import { createReadModels, makeApiKey, PassOnErrors, systemRuntime } from '@finality/service';
import { seededRandom, type TestDatabase, testDatabase, TestRuntime } from '@finality/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AmlModule } from './aml.module.ts';
import { GetVerdictRpc } from './inbound/get-verdict.rpc.ts';

const { DepositStatus } = settlementV1;
const { Recommendation } = amlV1;
const STEPS_MAX = 200;

/** Stands for the settlement service: any message, through a real store of its own. */
const published: StreamType<null, { type: 'published'; message: Omit<PublicMessage, 'payload'>; payload: string }> = {
  aggregate: { name: 'test', initialState: null, evolve: () => null },
  institutions: () => [],
  publish: ({ message, payload }) => [{ ...message, payload: new Uint8Array(Buffer.from(payload, 'hex')) }],
};

let database: TestDatabase;
let app: INestMicroservice;
let driver: PermutingDriver;
let transport: EventTransport;
let publisher: PostgresEventStore<PublicMessage, undefined, undefined>;
let complianceKey: string;
const runtime = new TestRuntime();

beforeAll(async () => {
  database = await testDatabase(['settlement', 'aml']);
  publisher = new PostgresEventStore({
    pool: database.service('settlement').pool,
    schema: 'settlement',
    service: 'settlement',
    runtime,
    handler: {
      load: async (session, commands, batch) => {
        await batch.loadStreams(session, [...new Set(commands.map(({ body }) => `test/${body.orderingKey}`))]);
        return undefined;
      },
      handle: ({ body: { payload, ...message } }, _world, batch) => {
        batch.append(published, message.orderingKey, {
          type: 'published',
          message,
          payload: Buffer.from(payload).toString('hex'),
        });
        return { kind: 'accepted', reply: undefined };
      },
      save: () => Promise.resolve(),
    },
  });
  const { pool, url } = database.service('aml');
  const inner = new PostgresDriver({
    bus: database.bus,
    consumer: pool,
    consumerSchema: 'aml',
    schemaOf: () => 'settlement',
    listen: false,
  });
  driver = new PermutingDriver(inner, { random: seededRandom(11), repeatProbability: 0.5 });
  transport = new EventTransport({ service: 'aml', driver });
  const readModels = await createReadModels(url, { schema: 'aml', entities: [], applicationName: 'test' });
  const env = { config: { rules: AML_RULES_DEFAULT }, runtime, pool, readModels, driver };
  app = await NestFactory.createMicroservice(AmlModule.register(env), {
    strategy: transport,
    logger: false,
    abortOnError: false,
  });
  app.useGlobalFilters(new PassOnErrors());
  await app.listen();
  await readModels.destroy();
  complianceKey = await publishKey(institutionV1.Role.ROLE_COMPLIANCE);
});

afterAll(async () => {
  await app.close();
  await driver.close();
  await database.close();
});

async function publish(...bodies: PublicMessage[]): Promise<void> {
  const cause = {
    actor: { kind: 'service', id: 'test' },
    occurredAt: runtime.now(),
    correlationId: 'c',
    causationId: 'c',
  } as const;
  for (const outcome of await publisher.execute(bodies.map((body) => ({ body, cause }))))
    expect(outcome.kind).toBe('accepted');
}

async function settle(): Promise<void> {
  for (let step = 0, idle = 0; idle < 5; step++) {
    expect(step).toBeLessThan(STEPS_MAX);
    idle = (await transport.worker.step()) === 'idle' ? idle + 1 : 0;
  }
}

const message = (topic: { name: string; message: string }, orderingKey: string, payload: Uint8Array): PublicMessage => {
  return { topic: topic.name, orderingKey, type: topic.message, schemaVersion: 1, payload };
};

function requested(settlementId: string, valueSats: bigint): PublicMessage {
  const parties = { fromInstitution: 'bank-a', toInstitution: 'bank-b' };
  const asked = settlementV1.ScreeningRequested.fromPartial({ settlementId, ...parties, valueSats });
  return message(TOPICS.screening, settlementId, settlementV1.ScreeningRequested.encode(asked).finish());
}

function deposit(outpoint: string, valueSats: bigint, status = DepositStatus.DEPOSIT_STATUS_DETECTED): PublicMessage {
  const changed = settlementV1.DepositChanged.fromPartial({ outpoint, institutionId: 'bank-a', valueSats, status });
  return message(TOPICS.deposit, outpoint, settlementV1.DepositChanged.encode(changed).finish());
}

async function publishKey(role: institutionV1.Role): Promise<string> {
  const { keyId, apiKey, secretSha256 } = makeApiKey(systemRuntime());
  const changed = institutionV1.ApiKeyChanged.fromPartial({
    apiKey: { keyId, roles: [role], institutionId: 'bank-a' },
    secretSha256: Buffer.from(secretSha256),
  });
  await publish(message(TOPICS.apiKey, keyId, institutionV1.ApiKeyChanged.encode(changed).finish()));
  return apiKey;
}

function getVerdict(subjectId: string, key = complianceKey): Promise<amlV1.Verdict> {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${key}`);
  return app.get(GetVerdictRpc).handle({ subjectId }, metadata);
}

async function verdictsPublished(subjectId: string): Promise<amlV1.Verdict[]> {
  const { rows } = await database.bus.query<{ payload: Buffer }>(
    `SELECT payload FROM aml.published_messages WHERE topic = $1 AND ordering_key = $2 ORDER BY position, ordinal`,
    [TOPICS.amlVerdict.name, subjectId],
  );
  return rows.map(({ payload }) => amlV1.VerdictReached.decode(payload).verdict!);
}

describe('monitoring', () => {
  it.each([
    ['s-below', 99_999_999n, Recommendation.RECOMMENDATION_APPROVE],
    ['s-line', 100_000_000n, Recommendation.RECOMMENDATION_MANUAL_REVIEW],
    ['s-huge', 2n ** 53n + 1n, Recommendation.RECOMMENDATION_MANUAL_REVIEW],
  ])(
    'settlement %s of %s sat: one verdict, the same in the answer and on the topic',
    async (id, amountSats, recommendation) => {
      await publish(requested(id, amountSats), requested(id, amountSats));
      await settle();
      const verdicts = await verdictsPublished(id);
      expect(verdicts).toMatchObject([
        { subjectId: id, subjectKind: amlV1.SubjectKind.SUBJECT_KIND_SETTLEMENT, recommendation },
      ]);
      expect(await getVerdict(id)).toEqual(verdicts[0]);
    },
  );

  it('sees deposits as soon as they are known, each once', async () => {
    await publish(deposit('small:0', 99_999_999n), deposit('large:0', 100_000_000n));
    await publish(deposit('large:0', 100_000_000n, DepositStatus.DEPOSIT_STATUS_CONFIRMED));
    await settle();
    expect(await verdictsPublished('small:0')).toMatchObject([
      { recommendation: Recommendation.RECOMMENDATION_APPROVE, alerts: [] },
    ]);
    expect(await verdictsPublished('large:0')).toMatchObject([
      {
        subjectKind: amlV1.SubjectKind.SUBJECT_KIND_DEPOSIT,
        recommendation: Recommendation.RECOMMENDATION_MANUAL_REVIEW,
        alerts: [{ rule: 'large_amount', inputs: { amount_sats: '100000000', from_sats: '100000000' } }],
      },
    ]);
  });

  it('is for compliance, operators and auditors', async () => {
    const institutionKey = await publishKey(institutionV1.Role.ROLE_INSTITUTION);
    await expect(getVerdict('s-line', institutionKey)).rejects.toMatchObject({
      refusal: { kind: 'permission_denied' },
    });
    await expect(getVerdict('s-line', 'nonsense')).rejects.toMatchObject({ refusal: { kind: 'unauthenticated' } });
    await expect(getVerdict('nothing')).rejects.toMatchObject({
      refusal: { kind: 'not_found', reason: 'UNKNOWN_SUBJECT' },
    });
    await expect(getVerdict('')).rejects.toMatchObject({ refusal: { kind: 'invalid_argument' } });
  });
});
