import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Metadata } from '@grpc/grpc-js';
import type { INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { chainV1, institutionV1, riskV1, settlementV1, TOPICS, toTimestamp } from '@finality/contracts';
import {
  EventReader,
  PostgresEventStore,
  type PublicMessage,
  type StoreCommand,
  type StreamType,
} from '@finality/event-store';
import type { Worker } from '@finality/kernel';
import { EventTransport, type MessageDriver, PermutingDriver, PostgresDriver } from '@finality/messaging';
import { RISK_RULES_DEFAULT, judge, type Screened } from '@finality/risk';
import { createReadModels, makeApiKey, PassOnErrors, systemRuntime, WORKERS } from '@finality/service';
import { seededRandom, type TestDatabase, testDatabase, TestRuntime } from '@finality/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GetVerdictRpc } from './inbound/get-verdict.rpc.ts';
import { riskDdl } from './migrations/create-risk.migration.ts';
import { RiskModule } from './risk.module.ts';
import { verdictStream } from './streams.ts';

const { SettlementMode, DepositStatus } = settlementV1;
const { Recommendation, FactorState } = riskV1;
const MIXER = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080';
const MIXER_SCRIPT = '0014751e76e8199196d454941c45d1b3a323f1433bd6';
const CLEAN_SCRIPT = `0014${'22'.repeat(20)}`;
const DAY_MS = 86_400_000;
const STEPS_MAX = 200;

/** Stands for the services that publish what risk consumes: any message, through a real store of its own. */
const published: StreamType<null, { type: 'published'; message: Omit<PublicMessage, 'payload'>; payload: string }> = {
  aggregate: { name: 'test', initialState: null, evolve: () => null },
  institutions: () => [],
  publish: ({ message, payload }) => [{ ...message, payload: new Uint8Array(Buffer.from(payload, 'hex')) }],
};

let database: TestDatabase;
let runtime: TestRuntime;
let labelFile: string;
let directory: string;
let app: INestMicroservice;
let driver: MessageDriver;
let transport: EventTransport;
let publisher: PostgresEventStore<PublicMessage, undefined, undefined>;
let complianceKey: string;

/** Open all the time: the last database closed would stop the server. */
let keepsServer: TestDatabase;

beforeAll(async () => {
  keepsServer = await testDatabase([]);
  directory = await mkdtemp(join(tmpdir(), 'finality-risk-'));
  labelFile = join(directory, 'labels.csv');
});
afterAll(async () => {
  await keepsServer.close();
  await rm(directory, { recursive: true, force: true });
});

beforeEach(async () => {
  await writeFile(labelFile, `address,category,label,source,listed_on\n${MIXER},mixer,Mixer,test,\n`);
  await prepare();
});

async function prepare(): Promise<void> {
  database = await testDatabase(['settlement', 'risk'], { ddl: (s) => (s.schema === 'risk' ? riskDdl(s) : []) });
  runtime = new TestRuntime();
  publisher = new PostgresEventStore({
    pool: database.service('settlement').pool,
    schema: 'settlement',
    service: 'settlement',
    runtime,
    handler: {
      load: (session, commands, batch) =>
        batch
          .loadStreams(
            session,
            commands.map(({ body }) => `test/${body.orderingKey}`),
          )
          .then(() => undefined),
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
  await start();
  complianceKey = await publishKey('compliance');
}

afterEach(async () => {
  await stop();
  await database.close();
});

async function start(): Promise<void> {
  const { pool, url } = database.service('risk');
  const inner = new PostgresDriver({
    bus: database.bus,
    consumer: pool,
    consumerSchema: 'risk',
    schemaOf: () => 'settlement',
    listen: false,
  });
  driver = new PermutingDriver(inner, { random: seededRandom(7), repeatProbability: 0.5 });
  const readModels = await createReadModels(url, { schema: 'risk', entities: [], applicationName: 'test' });
  const config = {
    rules: RISK_RULES_DEFAULT,
    labelLists: [{ name: 'own', format: 'labels', path: labelFile } as const],
  };
  transport = new EventTransport({ service: 'risk', driver });
  app = await NestFactory.createMicroservice(RiskModule.register({ config, runtime, pool, readModels, driver }), {
    strategy: transport,
    logger: false,
    abortOnError: false,
  });
  app.useGlobalFilters(new PassOnErrors());
  await app.listen();
  await readModels.destroy();
}

async function stop(): Promise<void> {
  await app.close();
  await driver.close();
}

const publish = async (...messages: PublicMessage[]): Promise<void> => {
  const cause = {
    actor: { kind: 'service', id: 'test' },
    occurredAt: runtime.now(),
    correlationId: 'c',
    causationId: 'c',
  } as const;
  const commands: StoreCommand<PublicMessage>[] = messages.map((body) => ({ body, cause }));
  for (const outcome of await publisher.execute(commands)) expect(outcome.kind).toBe('accepted');
};

/** Steps the consumer until it has nothing left to do. */
async function settle(): Promise<void> {
  for (let step = 0, idle = 0; idle < 5; step++) {
    expect(step).toBeLessThan(STEPS_MAX);
    idle = (await transport.worker.step()) === 'idle' ? idle + 1 : 0;
  }
}

const message = (topic: { name: string; message: string }, orderingKey: string, payload: Uint8Array): PublicMessage => {
  return { topic: topic.name, orderingKey, type: topic.message, schemaVersion: 1, payload };
};

function requested(
  settlementId: string,
  more: Partial<settlementV1.ScreeningRequested> = {},
  scripts: readonly string[] = [],
): PublicMessage {
  const asked = settlementV1.ScreeningRequested.fromPartial({
    settlementId,
    fromInstitution: 'bank-a',
    toInstitution: 'bank-b',
    valueSats: 1_000n,
    settlementMode: SettlementMode.SETTLEMENT_MODE_BLOCKCHAIN,
    fundingSources: scripts.map((script) => ({ script, address: '', depositOutpoint: `${'aa'.repeat(32)}:0` })),
    ...more,
  });
  return message(TOPICS.screening, settlementId, settlementV1.ScreeningRequested.encode(asked).finish());
}

function approved(settlementId: string, valueSats: bigint): PublicMessage {
  const passed = settlementV1.SettlementApproved.fromPartial({ settlementId, toInstitution: 'bank-b', valueSats });
  return message(TOPICS.approval, settlementId, settlementV1.SettlementApproved.encode(passed).finish());
}

const CENTRALIZED = { settlementMode: SettlementMode.SETTLEMENT_MODE_CENTRALIZED };

function seen(txid: string, script: string): PublicMessage {
  const fact = chainV1.ChainFact.fromPartial({
    network: 'regtest',
    observedAt: toTimestamp(runtime.now()),
    transactionSeen: {
      transaction: {
        txid,
        inputs: [
          { outpoint: `${txid}:9`, script },
          { outpoint: `${txid}:8`, script: 'aa', walletId: 'own' },
        ],
      },
    },
  });
  return message(TOPICS.chainFact, 'regtest', chainV1.ChainFact.encode(fact).finish());
}

function deposit(
  outpoint: string,
  scripts: readonly string[],
  status = DepositStatus.DEPOSIT_STATUS_DETECTED,
): PublicMessage {
  const changed = settlementV1.DepositChanged.fromPartial({
    outpoint,
    institutionId: 'bank-a',
    valueSats: 2n ** 53n + 1n,
    status,
    fundingSources: scripts.map((script) => ({ script, depositOutpoint: outpoint })),
  });
  return message(TOPICS.deposit, outpoint, settlementV1.DepositChanged.encode(changed).finish());
}

async function publishKey(role: 'compliance' | 'institution'): Promise<string> {
  const { keyId, apiKey, secretSha256 } = makeApiKey(systemRuntime());
  const roles = [role === 'compliance' ? institutionV1.Role.ROLE_COMPLIANCE : institutionV1.Role.ROLE_INSTITUTION];
  const changed = institutionV1.ApiKeyChanged.fromPartial({
    apiKey: { keyId, roles, institutionId: 'bank-a' },
    secretSha256: Buffer.from(secretSha256),
  });
  await publish(message(TOPICS.apiKey, keyId, institutionV1.ApiKeyChanged.encode(changed).finish()));
  return apiKey;
}

function getVerdict(subjectId: string, key = complianceKey): Promise<riskV1.Verdict> {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${key}`);
  return app.get(GetVerdictRpc).handle({ subjectId }, metadata);
}

const factorOf = (verdict: riskV1.Verdict, name: string) => verdict.factors.find((factor) => factor.name === name);

async function verdictsPublished(): Promise<riskV1.Verdict[]> {
  const { rows } = await database.bus.query<{ payload: Buffer }>(
    `SELECT payload FROM risk.published_messages WHERE topic = $1 ORDER BY position, ordinal`,
    [TOPICS.riskVerdict.name],
  );
  return rows.map(({ payload }) => riskV1.VerdictReached.decode(payload).verdict!);
}

describe('screening', () => {
  it('scores a settlement on what is known of its sources, publishes the verdict, and answers with it', async () => {
    await publish(requested('s1', {}, [MIXER_SCRIPT, CLEAN_SCRIPT]));
    await settle();
    const [verdict, ...more] = await verdictsPublished();
    expect(more).toEqual([]);
    expect(verdict).toMatchObject({
      subjectId: 's1',
      score: 60,
      recommendation: Recommendation.RECOMMENDATION_MANUAL_REVIEW,
    });
    expect(factorOf(verdict!, 'labelled_source')).toMatchObject({
      points: 40,
      detail: expect.stringContaining('mixer (own)') as string,
    });
    expect(factorOf(verdict!, 'young_address')).toMatchObject({ points: 20 });
    expect(verdict!.labelsVersion).toMatch(/^own@[0-9a-f]{12}$/);
    expect(await getVerdict('s1')).toEqual(verdict);
  });

  it('has no factor that applies to a CENTRALIZED settlement', async () => {
    await publish(requested('s1', CENTRALIZED, [MIXER_SCRIPT]));
    await settle();
    const verdict = await getVerdict('s1');
    expect(verdict).toMatchObject({ score: 0, recommendation: Recommendation.RECOMMENDATION_APPROVE });
    expect(verdict.factors.map((factor) => factor.state)).toEqual(
      Array.from({ length: 7 }, () => FactorState.FACTOR_STATE_NOT_APPLICABLE),
    );
  });

  it('knows how long ago a source was first seen, from chain facts', async () => {
    await publish(seen('t1', CLEAN_SCRIPT));
    await settle();
    runtime.advance(7 * DAY_MS - 1);
    await publish(requested('s1', {}, [CLEAN_SCRIPT]));
    await settle();
    runtime.advance(1);
    await publish(requested('s2', {}, [CLEAN_SCRIPT]));
    await settle();
    expect(factorOf(await getVerdict('s1'), 'young_address')).toMatchObject({ points: 20 });
    expect(factorOf(await getVerdict('s2'), 'young_address')).toMatchObject({ points: 0 });
  });

  it('counts transactions in 24 hours, each once however often it is reported', async () => {
    await publish(...Array.from({ length: 100 }, (_, i) => seen(`t${i}`, CLEAN_SCRIPT)), seen('t0', CLEAN_SCRIPT));
    await settle();
    await publish(requested('s1', {}, [CLEAN_SCRIPT]));
    await settle();
    await publish(seen('t100', CLEAN_SCRIPT));
    await settle();
    await publish(requested('s2', {}, [CLEAN_SCRIPT]));
    await settle();
    expect(factorOf(await getVerdict('s1'), 'busy_address')).toMatchObject({
      points: 0,
      inputs: { most_transactions: '100' },
    });
    expect(factorOf(await getVerdict('s2'), 'busy_address')).toMatchObject({ points: 25 });
  });

  it('screens a deposit on its input scripts, once', async () => {
    await publish(deposit('o:0', [MIXER_SCRIPT]), deposit('o:0', [], DepositStatus.DEPOSIT_STATUS_CONFIRMED));
    await settle();
    const verdicts = await verdictsPublished();
    expect(verdicts).toMatchObject([
      { subjectId: 'o:0', subjectKind: riskV1.SubjectKind.SUBJECT_KIND_DEPOSIT, score: 60 },
    ]);
    expect(factorOf(verdicts[0]!, 'amount_anomaly')).toMatchObject({ state: FactorState.FACTOR_STATE_NOT_APPLICABLE });
  });

  it('sends to a person what comes from nobody knows where', async () => {
    await publish(deposit('o:0', ['']));
    await settle();
    expect(await getVerdict('o:0')).toMatchObject({
      score: 0,
      recommendation: Recommendation.RECOMMENDATION_MANUAL_REVIEW,
    });
  });
});

describe('the history of a merchant', () => {
  const amounts = Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? 990n : 1_010n));

  /** Screened and approved, every one of them, in whatever order they are delivered, and some of it twice. */
  async function approve(count: number): Promise<void> {
    const ids = amounts.slice(0, count).map((amountSats, i) => [`h${i}`, amountSats] as const);
    await publish(...ids.map(([id, amountSats]) => requested(id, { ...CENTRALIZED, valueSats: amountSats })));
    await publish(...ids.map(([id, amountSats]) => approved(id, amountSats)));
    await publish(approved('h0', 990n));
    await settle();
  }

  it('counts what was approved, once, and finds an anomaly from 30 observations on', async () => {
    await approve(29);
    await publish(requested('s1', { ...CENTRALIZED, valueSats: 1_031n }));
    await settle();
    expect(factorOf(await getVerdict('s1'), 'amount_anomaly')).toMatchObject({
      state: FactorState.FACTOR_STATE_NOT_APPLICABLE,
      inputs: { observations: '29', sum_sats: '28990' },
    });
    await publish(requested('h29', { ...CENTRALIZED, valueSats: 1_010n }), approved('h29', 1_010n));
    await settle();
    await publish(
      requested('s2', { ...CENTRALIZED, valueSats: 1_031n }),
      requested('s3', { ...CENTRALIZED, valueSats: 1_030n }),
    );
    await settle();
    expect(factorOf(await getVerdict('s2'), 'amount_anomaly')).toMatchObject({
      points: 30,
      inputs: { observations: '30', sum_sats: '30000', sum_of_squares: '30003000' },
    });
    expect(factorOf(await getVerdict('s3'), 'amount_anomaly')).toMatchObject({ points: 0 });
  });

  it('survives a restart', async () => {
    await approve(30);
    await stop();
    await start();
    await publish(requested('s1', { ...CENTRALIZED, valueSats: 2n ** 53n + 1n }));
    await settle();
    expect(factorOf(await getVerdict('s1'), 'amount_anomaly')).toMatchObject({
      points: 30,
      inputs: { amount_sats: '9007199254740993' },
    });
  });
});

describe('lists of labels', () => {
  const labelWorker = () => app.get<readonly Worker[]>(WORKERS).find(({ name }) => name === 'risk.labels')!;

  it('are taken over while the service runs; verdicts say by which version they were made', async () => {
    await publish(requested('s1', {}, [MIXER_SCRIPT]));
    await settle();
    expect(await labelWorker().step()).toBe('idle');
    await writeFile(
      labelFile,
      `address,category,label,source,listed_on\n${MIXER},blacklist,Mixer,test,\nnonsense,scam,S,test,\n`,
    );
    expect(await labelWorker().step()).toBe('progress');
    await publish(requested('s2', {}, [MIXER_SCRIPT]));
    await settle();
    const [before, after] = [await getVerdict('s1'), await getVerdict('s2')];
    expect([before.score, after.score]).toEqual([60, 70]);
    expect(before.labelsVersion).not.toBe(after.labelsVersion);
    const { rows } = await database.service('risk').pool.query('SELECT line, text FROM label_quarantine');
    expect(rows).toEqual([{ line: 3, text: 'nonsense,scam,S,test,' }]);
  });

  it('that cannot be read leave the version before in force, visibly', async () => {
    await rm(labelFile);
    await expect(labelWorker().step()).rejects.toThrow('own: Error: ENOENT');
    await publish(requested('s1', {}, [MIXER_SCRIPT]));
    await settle();
    expect(await getVerdict('s1')).toMatchObject({ score: 60 });
  });

  it('that were never there fail closed', async () => {
    await stop();
    await database.close();
    await rm(labelFile);
    await prepare();
    await publish(requested('s1', {}, [CLEAN_SCRIPT]), requested('s2', CENTRALIZED));
    await settle();
    const verdict = await getVerdict('s1');
    expect(verdict).toMatchObject({
      score: 20,
      labelsVersion: 'own@missing',
      recommendation: Recommendation.RECOMMENDATION_MANUAL_REVIEW,
    });
    expect(verdict.reason).toContain('label lists not loaded: own');
    expect(await getVerdict('s2')).toMatchObject({ recommendation: Recommendation.RECOMMENDATION_APPROVE });
  });
});

describe('a verdict', () => {
  it('can be made again from the log, bit for bit', async () => {
    await publish(seen('t1', CLEAN_SCRIPT), requested('s1', {}, [MIXER_SCRIPT, CLEAN_SCRIPT]));
    await settle();
    const reader = new EventReader({ pool: database.service('risk').pool, schema: 'risk' });
    for await (const event of reader.readStream(`${verdictStream.aggregate.name}/s1`)) {
      const { verdict, inputs } = event.data as Screened;
      const versions = { rules: verdict.rulesVersion, labels: verdict.labelsVersion };
      expect(judge({ id: 's1', kind: 'settlement' }, inputs, RISK_RULES_DEFAULT, versions)).toEqual(verdict);
      expect(event.institutions).toEqual(['bank-a', 'bank-b']);
    }
  });

  it('is for compliance, operators and auditors', async () => {
    const institutionKey = await publishKey('institution');
    await expect(getVerdict('s1', institutionKey)).rejects.toMatchObject({ refusal: { kind: 'permission_denied' } });
    await expect(getVerdict('s1', 'nonsense')).rejects.toMatchObject({ refusal: { kind: 'unauthenticated' } });
    await expect(getVerdict('s1')).rejects.toMatchObject({ refusal: { kind: 'not_found', reason: 'UNKNOWN_SUBJECT' } });
    await expect(getVerdict('')).rejects.toMatchObject({ refusal: { kind: 'invalid_argument' } });
  });
});
