import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MINER_WORD, RegtestWallet } from '@finality/chain-simulator';
import { Kafka, logLevel, type SASLOptions } from 'kafkajs';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { askBtcd, startBtcd } from './btcd.ts';
import { btcdServer } from './btcd-server.ts';
import { ensureBtcd } from './btcd-install.ts';
import { endProcess, isRunning, ownerOf } from './data-owner.ts';
import { ensureKafka, kafkaCommand } from './kafka-install.ts';
import { kafkaServer } from './kafka-server.ts';
import { type RunningKafka, startKafka } from './kafka.ts';
import { freePort } from './ports.ts';
import { postgresServer } from './postgres-server.ts';
import { Server } from './server.ts';

const root = path.resolve(import.meta.dirname, '../..');
const LOADER = ['--import', path.join(root, 'tools/register.mjs')];
const silent = (): void => undefined;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'finality-servers-'));
  // PostgreSQL's user isn't always this one.
  chmodSync(directory, 0o755);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function servers(args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const child = spawn(process.execPath, [...LOADER, path.join(root, 'tools/servers/main.ts'), ...args], { env });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise<{ code: number | null; output: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, output })),
  );
}

/** Why a server can't be had here. Continuous integration must have it: there, its tests fail instead of being skipped. */
function whyMissing(ensure: (say: (line: string) => void) => Promise<unknown>): Promise<string> {
  return ensure((line) => process.stdout.write(`${line}\n`)).then(
    () => '',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}
const noKafka = await whyMissing(ensureKafka);
const noBtcd = await whyMissing(ensureBtcd);
const isSkipped = (why: string): boolean => why !== '' && process.env['CI'] !== 'true';

describe('npm run servers', () => {
  it('explains itself, and refuses what it doesn’t know', async () => {
    const help = await servers(['--help']);
    expect(help.code).toBe(0);
    for (const word of ['up [name', 'kafka', 'postgres', 'btcd', '--json']) expect(help.output).toContain(word);
    expect(await servers([])).toMatchObject({ code: 64 });
    expect(await servers(['up', 'eclair'])).toMatchObject({
      code: 64,
      output: expect.stringContaining('eclair') as string,
    });
    expect(await servers(['up', '--quickly'])).toMatchObject({ code: 64 });
  });

  it('says how to get Go where there is none', async () => {
    const { code, output } = await servers(['up', 'btcd'], { PATH: directory, HOME: directory });
    expect(code).toBe(2);
    expect(output).toContain('go.dev/dl');
  });

  it('says how to get Java where there is none, or an old one', async () => {
    const env = { PATH: directory, HOME: directory };
    expect(await servers(['up', 'kafka'], env)).toMatchObject({
      code: 2,
      output: expect.stringMatching(/no java on the PATH.*apt install/s) as string,
    });
    mkdirSync(path.join(directory, 'bin'));
    const java = path.join(directory, 'bin', 'java');
    writeFileSync(java, `#!/bin/sh\necho 'openjdk version "11.0.2" 2019-01-15' >&2\n`, { mode: 0o755 });
    const { code, output } = await servers(['up', 'kafka', '--json'], { ...env, JAVA_HOME: directory });
    expect(code).toBe(2);
    expect(output).toContain('is Java 11');
    expect(output).toContain('"running":false');
  });
});

describe('postgres', () => {
  const connected = async <T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    return work(client).finally(() => client.end());
  };
  const answer = (output: string) =>
    (JSON.parse(output) as { pid?: number; running: boolean; env?: Record<string, string> }[])[0]!;

  it('goes on in the background when the command has ended, stays one, and goes down', async () => {
    const env = { ...process.env, FINALITY_DATA_DIR: directory };
    const command = async (name: string) => {
      const { code, output } = await servers([name, 'postgres', '--json'], env);
      expect(code, output).toBe(0);
      return answer(output);
    };
    try {
      expect(await command('status')).toEqual({ name: 'postgres', running: false });
      const up = await command('up');
      expect(up).toMatchObject({ running: true });
      expect(await command('up')).toEqual(up);
      expect(await command('status')).toEqual(up);
    } finally {
      expect(await command('down')).toEqual({ name: 'postgres', running: false });
    }
    expect(await command('status')).toEqual({ name: 'postgres', running: false });
  });

  it('is started for a program and stopped by it, and keeps its data', async () => {
    const server = new Server(postgresServer(await freePort()), path.join(directory, 'postgres'));
    const first = await server.ensure(silent);
    try {
      expect(first).toMatchObject({ startedByUs: true, endsWith: process.pid });
      expect(new URL(first.env['DATABASE_URL']!).pathname).toBe('/finality');
      await connected(first.env['DATABASE_ADMIN_URL']!, (client) => client.query('CREATE TABLE kept AS SELECT 7 AS n'));
      const second = await server.ensure(silent);
      expect(second).toMatchObject({ pid: first.pid, startedByUs: false });
      await second.stop();
      expect(await server.status()).toMatchObject({ pid: first.pid });
    } finally {
      await first.stop();
    }
    expect(await server.status()).toBeUndefined();
    const again = await server.ensure(silent);
    try {
      const kept = await connected(again.env['DATABASE_ADMIN_URL']!, (client) => client.query('SELECT n FROM kept'));
      expect(kept.rows).toEqual([{ n: 7 }]);
    } finally {
      await again.stop();
    }
  });
});

describe.skipIf(isSkipped(noBtcd))(`btcd ${noBtcd}`, () => {
  it('comes up in the background, stays one, says how to reach it, and goes down', async () => {
    const ports = { port: await freePort(), peerPort: await freePort() };
    const server = new Server(btcdServer(ports), directory);
    try {
      expect(await server.status()).toBeUndefined();
      const up = await server.up(silent);
      expect(up.note).toBe('at height 0');
      expect(up.env['BITCOIN_RPC_URL']).toMatch(/^http:\/\/finality:[0-9a-f]{32}@127\.0\.0\.1:\d+$/);
      expect(statSync(path.join(directory, 'process.json')).mode & 0o777).toBe(0o600);
      expect(await server.up(silent)).toEqual(up);
      const user = await server.ensure(silent);
      expect(user).toMatchObject({ pid: up.pid, startedByUs: false });
      await user.stop();
      expect(await server.status()).toEqual(up);
    } finally {
      expect(await server.down()).toBe(true);
    }
    expect(await server.status()).toBeUndefined();
    expect(await server.down()).toBe(false);
  });

  it('has its chain again after a restart, branches that were left aside too, even killed', async () => {
    const options = { dataDir: directory, miningAddress: new RegtestWallet(MINER_WORD).address };
    let btcd = await startBtcd(options);
    try {
      const left = (await askBtcd(btcd, 'generate', [5])) as string[];
      await askBtcd(btcd, 'invalidateblock', [left[3]]);
      await askBtcd(btcd, 'generate', [4]);
      const best = await askBtcd(btcd, 'getbestblockhash');
      for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
        process.kill(btcd.pid, signal);
        await expect.poll(() => askBtcd(btcd, 'getblockcount')).toBeUndefined();
        await btcd.stop();
        btcd = await startBtcd(options);
        expect(await askBtcd(btcd, 'getbestblockhash')).toBe(best);
        expect(await askBtcd(btcd, 'getblockcount')).toBe(7);
      }
      expect(await askBtcd(btcd, 'getblock', [left[4], 0])).toMatch(/^[0-9a-f]{160}/);
    } finally {
      await btcd.stop();
    }
  });
});

describe.skipIf(isSkipped(noKafka))(`kafka ${noKafka}`, () => {
  const client = (brokers: string[], sasl?: SASLOptions): Kafka =>
    new Kafka({ brokers, logLevel: logLevel.NOTHING, retry: { retries: 5 }, ...(sasl ? { sasl } : {}) });

  async function produce(brokers: string[], value: string): Promise<void> {
    const producer = client(brokers).producer();
    await producer.connect();
    await producer.send({ topic: 'facts', acks: -1, messages: [{ key: 'key', value }] });
    await producer.disconnect();
  }

  async function consume(brokers: string[], groupId: string, count: number): Promise<readonly string[]> {
    const consumer = client(brokers).consumer({ groupId });
    await consumer.connect();
    await consumer.subscribe({ topic: 'facts', fromBeginning: true });
    const values: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const eachMessage = ({ message }: { message: { value: Buffer | null } }): Promise<void> => {
        if (values.push(String(message.value)) === count) resolve();
        return Promise.resolve();
      };
      consumer.run({ eachMessage }).catch(reject);
    });
    await consumer.disconnect();
    return values;
  }

  async function createTopic(brokers: string[]): Promise<void> {
    const admin = client(brokers).admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'facts', numPartitions: 3 }] });
    await admin.disconnect();
  }

  it('comes up in the background, takes and gives a record, stays one, and goes down', async () => {
    const server = new Server(kafkaServer(await freePort()), directory);
    try {
      expect(await server.status()).toBeUndefined();
      const up = await server.up(silent);
      expect(await server.up(silent)).toEqual(up);
      expect(await server.status()).toEqual(up);
      const brokers = up.env['KAFKA_BROKERS']!.split(',');
      await createTopic(brokers);
      await produce(brokers, 'one');
      expect(await consume(brokers, 'group', 1)).toEqual(['one']);
    } finally {
      expect(await server.down()).toBe(true);
    }
    expect(await server.status()).toBeUndefined();
    expect(await server.down()).toBe(false);
  });

  describe('started by a program', () => {
    const USERS = { settlement: 'right', risk: 'other' };
    let kafka: RunningKafka;
    let dataDir: string;
    beforeAll(async () => {
      dataDir = mkdtempSync(path.join(tmpdir(), 'finality-kafka-'));
      kafka = await startKafka({ dataDir, saslUsers: USERS });
      await createTopic(kafka.brokers);
    });
    afterAll(async () => {
      await kafka.stop();
      rmSync(dataDir, { recursive: true, force: true });
    });

    it('keeps data and ports over a stop and over a kill', async () => {
      const { brokers, saslBrokers, clusterId } = kafka;
      await produce(brokers, 'before');
      await kafka.stop();
      await kafka.ended;
      kafka = await startKafka(kafka.again);
      await produce(brokers, 'between');
      await kafka.kill();
      kafka = await startKafka(kafka.again);
      expect(kafka).toMatchObject({ brokers, saslBrokers, clusterId });
      expect((await consume(brokers, 'late', 2)).toSorted()).toEqual(['before', 'between']);
    });

    it.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)(
      'lets nobody in by %s without the right password',
      async (mechanism) => {
        const connect = async (password: string): Promise<string[]> => {
          const admin = client(kafka.saslBrokers!, { mechanism, username: 'settlement', password }).admin();
          try {
            await admin.connect();
            return await admin.listTopics();
          } finally {
            await admin.disconnect();
          }
        };
        expect(await connect('right')).toContain('facts');
        await expect(connect('other')).rejects.toMatchObject({ name: 'KafkaJSSASLAuthenticationError' });
      },
    );

    it('refuses a second one on its data or its port, and goes on itself', async () => {
      const settings = readFileSync(path.join(dataDir, 'server.properties'), 'utf8');
      await expect(startKafka({ dataDir })).rejects.toMatchObject({ reason: 'DATA_IN_USE' });
      const port = kafka.again.port!;
      await expect(startKafka({ dataDir: directory, port })).rejects.toMatchObject({ reason: 'PORT_TAKEN' });
      expect(readFileSync(path.join(dataDir, 'server.properties'), 'utf8')).toBe(settings);
      await produce(kafka.brokers, 'after');
    });

    it('comes with Kafka’s own tools', async () => {
      const args = ['--bootstrap-server', kafka.brokers[0]!, '--topic', 'facts', '--num-records', '100'];
      const program = await ensureKafka(silent);
      const [file, ...all] = kafkaCommand(program, 'org.apache.kafka.tools.ProducerPerformance', [
        ...args,
        ...['--record-size', '10', '--throughput', '-1'],
      ]);
      const child = spawn(file, all, { stdio: ['ignore', 'pipe', 'inherit'] });
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      await once(child, 'close');
      expect(output).toMatch(/^100 records sent/);
    });
  });

  it('ends with the process that started it, even when that is killed', async () => {
    const child = spawn(
      process.execPath,
      [...LOADER, path.join(import.meta.dirname, 'kafka-owner.fixture.ts'), directory],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    await once(child.stdout, 'data');
    const owner = ownerOf(directory)!;
    expect(owner).toMatchObject({ is: 'server', endsWith: child.pid });
    child.kill('SIGKILL');
    try {
      await expect.poll(() => isRunning(owner), { timeout: 5_000 }).toBe(false);
    } finally {
      await endProcess(owner, 'SIGTERM');
    }
  });

  it('doesn’t take another program on its port for itself, nor another process for its server', async () => {
    const stranger = createServer((socket) => socket.end('220 mail.example ESMTP\r\n')).listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const address = stranger.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const env = { KAFKA_BROKERS: `127.0.0.1:${port}` };
    const record = { pid: process.pid, started: 'another time', is: 'server', env };
    try {
      expect(await kafkaServer().ask(env)).toBeUndefined();
      writeFileSync(path.join(directory, 'process.json'), JSON.stringify(record));
      const server = new Server(kafkaServer(port), directory);
      expect(await server.status()).toBeUndefined();
      expect(await server.down()).toBe(false);
      await expect(server.up(silent)).rejects.toMatchObject({ reason: 'PORT_TAKEN' });
    } finally {
      stranger.close();
    }
  });
});
