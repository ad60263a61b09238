import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { institutionV1, TOPICS } from '@finality/contracts';
import { refusalOf } from '@finality/service';
import { ensureKafka, kafkaCommand } from '@finality/tools/servers/kafka-install.ts';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DistributedPlatform } from '../distributed/platform.ts';
import type { ServiceChild } from '../distributed/service-child.ts';
import { connectApi } from './api.fixture.ts';
import { freshKey } from './bank.fixture.ts';
import { DISTRIBUTED, kafkaMissing } from './distributed.fixture.ts';
import { type E2e, expectInOrder, startE2e } from './e2e.fixture.ts';
import { BTCD, btcdMissing } from './nodes.fixture.ts';
import { SpanCollector } from './spans.fixture.ts';
import { submitTraced, TRACE_ID } from './suites/trace.fixture.ts';
import { patiently, until } from './wait.fixture.ts';

const TAKEOVER_MS_MAX = 10_000;
const PATIENCE_MS = 60_000;
const CONSUMER_MS_MAX = 60_000;
const missing = kafkaMissing ?? btcdMissing;

describe('seven services as processes', () => {
  if (missing !== undefined) {
    it.skipIf(process.env['CI'] !== 'true')(`can be started (${missing})`, () => {
      throw new Error(missing);
    });
    return;
  }
  let collector: SpanCollector;
  let e2e: E2e;
  let platform: DistributedPlatform;

  beforeAll(async () => {
    collector = await SpanCollector.start();
    e2e = await startE2e({
      node: BTCD,
      kind: async (setting) => (platform = await DISTRIBUTED(setting)),
      // What is left is sent when a process ends; here they go on.
      environment: { ...collector.environment, OTEL_BSP_SCHEDULE_DELAY: '200' },
    });
  });

  afterAll(async () => {
    await e2e?.stop();
    collector?.close();
  });

  it('one trace goes from the gRPC call of one process to the broadcast of another', async () => {
    await submitTraced(e2e);
    // Each process sends its spans when it sees fit.
    const wanted = [
      'finality-settlement: finality.settlement.v1.SettlementService/SubmitSettlement',
      'finality-settlement: sign payout',
      'finality-signer: finality.signing.v1.SigningService/SignTransaction',
      'finality-chain-watcher: broadcast',
    ];
    const seen = await until(
      'the broadcast is in the trace, and what led to it',
      () => Promise.resolve(collector.of(TRACE_ID).map(({ service, name }) => `${service}: ${name}`)),
      (found) => wanted.every((each) => found.includes(each)),
    );
    expect(seen).toEqual(expect.arrayContaining(wanted));
  });

  it('a consumer that isn’t ours reads the topics, from the beginning, however late it comes', async () => {
    const bank = await e2e.bank();
    const text = await consoleConsumer(TOPICS.institution.name);
    const line = text.split('\n').find((each) => each.endsWith(`\t${bank.id}`)) ?? '';
    for (const header of [
      'ce_specversion:1.0',
      `ce_type:${TOPICS.institution.message}`,
      'ce_source:/finality/settlement',
    ]) {
      expect(line).toContain(header);
    }
    const everybody = await e2e.operator.institutions.listInstitutions({ pageSize: 1_000, pageToken: '' });
    for (const { institutionId } of everybody.institutions) expect(text).toContain(`\t${institutionId}`);
  });

  /** One line per message: headers, a tab, the key. */
  async function consoleConsumer(topic: string): Promise<string> {
    const program = await ensureKafka(() => undefined);
    const [file, ...args] = kafkaCommand(program, 'org.apache.kafka.tools.consumer.ConsoleConsumer', [
      ...['--bootstrap-server', platform.servers.kafka.join(',')],
      ...['--topic', topic, '--from-beginning', '--timeout-ms', '5000'],
      ...['headers', 'key'].flatMap((what) => ['--formatter-property', `print.${what}=true`]),
      ...['--formatter-property', 'print.value=false'],
    ]);
    const { stdout } = await promisify(execFile)(file, args, { timeout: CONSUMER_MS_MAX });
    return stdout;
  }

  it('a standby serves reads, and says of writes that another process does them', async () => {
    const writer = await theWriter();
    const standby = platform.places.find(
      ({ service, instance }) => service === 'settlement' && instance !== writer.instance,
    )!;
    const api = connectApi(`127.0.0.1:${standby.ports.grpc}`, platform.secrets.operator.apiKey);
    try {
      const bank = await e2e.bank();
      const found = await api.institutions.getInstitution({ institutionId: bank.id });
      expect(found.status).toBe(institutionV1.InstitutionStatus.INSTITUTION_STATUS_ACTIVE);
      const writing = api.institutions.createInstitution({
        idempotencyKey: freshKey(),
        institutionId: 'standby',
        name: 'standby',
        creditLineSats: 0n,
      });
      const refusal = await writing.then(
        () => undefined,
        (error: unknown) => refusalOf(error),
      );
      expect(refusal).toMatchObject({ kind: 'unavailable', reason: 'STANDBY', retryable: true });
    } finally {
      api.close();
    }
    const http = `http://127.0.0.1:${standby.ports.http}/readyz`;
    expect([(await fetch(http)).status, (await fetch(`${http}?standby=ok`)).status]).toEqual([503, 200]);
  });

  it('a writer that is stopped in the middle of a batch is replaced within 10 s; nothing of the batch is stored, and it ends', async () => {
    const [payer, payee] = [await e2e.bank({ wallet: 'none', creditLineSats: 1_000_000n }), await e2e.bank()];
    const stalled = await theWriter();
    const [pid, starts] = [stalled.pid!, stalled.starts];
    const database = new pg.Client(adminUrl());
    await database.connect();
    let stoppedAtMs: number;
    let cutOff: Promise<unknown>;
    try {
      // Nothing can be read for a moment: a batch that has begun waits. What it decides leaves in one piece with its commit, and isn't stopped in between.
      await database.query('BEGIN; LOCK TABLE settlement.stream_states IN ACCESS EXCLUSIVE MODE');
      cutOff = payer
        .submit({ to: payee, amountSats: 5_000n, mode: 'CENTRALIZED', key: 'cut off' })
        .catch(() => undefined);
      await until(
        'a batch waits for what it decides on',
        async () => {
          const { rows } = await database.query<{ waiting: boolean }>(
            `SELECT EXISTS (SELECT FROM pg_locks w JOIN pg_locks store ON store.pid = w.pid AND store.locktype = 'advisory' AND store.granted
               WHERE NOT w.granted AND w.relation = 'settlement.stream_states'::regclass) AS waiting`,
          );
          return rows[0]!.waiting;
        },
        (waiting) => waiting,
      );
      process.kill(pid, 'SIGSTOP');
      stoppedAtMs = performance.now();
    } finally {
      await database.query('ROLLBACK');
      await database.end();
    }
    await until(
      'the standby writes',
      () => Promise.resolve(platform.leader('settlement')?.instance),
      (instance) => instance !== undefined && instance !== stalled.instance,
    );
    expect(performance.now() - stoppedAtMs).toBeLessThan(TAKEOVER_MS_MAX);
    const after = { to: payee, amountSats: 7_000n, mode: 'CENTRALIZED', key: 'after' } as const;
    // It may have to compare the signer's journal first.
    await patiently(() => payer.settle(after));
    const keys = async (): Promise<readonly bigint[]> =>
      (await payer.api.settlements.listSettlements({ pageSize: 100, pageToken: '' })).settlements.map(
        ({ amountSats }) => amountSats,
      );
    expect(await keys()).toEqual([7_000n]);
    process.kill(pid, 'SIGCONT');
    await cutOff;
    await until(
      'it comes back as a standby',
      () => Promise.resolve(stalled.starts),
      (now) => now > starts,
      PATIENCE_MS,
    );
    expect(await keys()).toEqual([7_000n]);
    // Asked again with the same key, it is settled once.
    await payer.settle({ to: payee, amountSats: 5_000n, mode: 'CENTRALIZED', key: 'cut off' });
    expect(await keys()).toEqual([5_000n, 7_000n]);
    await expectInOrder(e2e);
  });

  async function theWriter(): Promise<ServiceChild> {
    const found = await until(
      'a process of settlement writes',
      () => Promise.resolve(platform.leader('settlement')),
      (child) => child !== undefined,
    );
    return found!;
  }

  function adminUrl(): string {
    const url = new URL(platform.servers.postgres);
    url.pathname = '/finality';
    return url.toString();
  }
});
