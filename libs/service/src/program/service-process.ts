import { readFile } from 'node:fs/promises';
import { DESCRIPTORS_URL, type Topic, topicNamed, TOPICS } from '@finality/contracts';
import { Writer } from '@finality/event-store';
import type { Runtime, Worker } from '@finality/kernel';
import { ensureTopics, type KafkaConnection, KafkaDriver, KafkaRelay } from '@finality/messaging';
import type { Pool } from 'pg';
import { assembleService } from '../app/assemble.ts';
import { type AssembledService, INTERNAL_API, type ServiceEnv } from '../app/definition.ts';
import { operate } from '../app/operate.ts';
import { checkSchema } from '../database/migrations.ts';
import { createPool } from '../database/pool.ts';
import { createReadModels } from '../database/read-models.ts';
import { busRole, rolesOf } from '../database/roles.ts';
import { SharedGrpcServer } from '../grpc/shared-server.ts';
import { grpcHealthWorker, HealthRegistry, workerCheck } from '../health/health.ts';
import { startHttp } from '../health/http.ts';
import { InternalServer } from '../internal/internal-server.ts';
import { messageService, messagesOf } from '../internal/published-messages.ts';
import { TlsIdentity } from '../internal/tls-identity.ts';
import type { Log } from '../logging/log.ts';
import { WorkerLoop } from '../runtime/worker-loop.ts';
import { errorMessage, StartupError } from '../startup-error.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { startTracing } from '../telemetry/tracing.ts';
import type { ProcessConfig } from './config.ts';
import { Peers } from './peers.ts';
import type { ServiceProgram } from './program.ts';

const EXIT_FAILED = 1;
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
const CONNECTIONS_MAX = 8;
const READ_CONNECTIONS_MAX = 2;
/** A database that isn't there yet is waited for: so long, then whoever runs the process hears of it. */
const DATABASE_WAIT_MS_MAX = 60_000;
const DATABASE_RETRY_MS = 1_000;
const CALLS_DRAIN_MS_MAX = 2_500;
const LOOPS_STOP_MS_MAX = 1_500;
const SESSIONS_END_MS_MAX = 1_500;
/** Whatever hangs, the process ends. */
const STOP_MS_MAX = 9_000;

export interface ServiceProcessOptions<Config, Env extends ServiceEnv> {
  readonly program: ServiceProgram<Config, Env>;
  readonly config: ProcessConfig & Config;
  readonly kafka: KafkaConnection;
  readonly runtime: Runtime;
  readonly log: Log;
}

/** One service in a process of its own: the same assembly as in standalone, with Kafka between it and the others, and mutual TLS for calls. */
export class ServiceProcess<Config, Env extends ServiceEnv> {
  readonly #options: ServiceProcessOptions<Config, Env>;
  readonly #health: HealthRegistry;
  readonly #metrics: Metrics;
  readonly #stops: (() => unknown)[] = [];
  readonly #leading = Promise.withResolvers<void>();
  readonly #end = Promise.withResolvers<number>();
  #topicsProblem: string | undefined;
  #writer: Writer | undefined;
  #isListening = false;

  constructor(options: ServiceProcessOptions<Config, Env>) {
    this.#options = options;
    this.#health = new HealthRegistry(options.runtime);
    this.#metrics = new Metrics(options.log);
    // Before anybody can ask: a process that is still starting is neither ready nor the one that writes.
    this.#health.register(`${options.program.blueprint.name}/listening`, () => ({ ok: this.#isListening }));
    this.#health.standBy(() => this.#writer?.lease === undefined);
  }

  /** @returns the exit code. @throws StartupError */
  async run(): Promise<number> {
    for (const signal of SIGNALS) process.on(signal, () => this.#end.resolve(0));
    try {
      await this.#start();
      return await this.#end.promise;
    } finally {
      await this.#stop();
    }
  }

  async #start(): Promise<void> {
    const { program, config, runtime, log } = this.#options;
    const { blueprint } = program;
    const files = { ca: config.TLS_CA_FILE, certificate: config.TLS_CERT_FILE, key: config.TLS_KEY_FILE };
    const tls = new TlsIdentity(files, log);
    const tracing = await startTracing({
      endpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT,
      serviceName: `finality-${blueprint.name}`,
      runtime,
    });
    this.#onStop(() => tracing.stop());
    const http = await startHttp({
      host: config.HTTP_HOST,
      port: config.HTTP_PORT,
      portVariable: 'HTTP_PORT',
      health: this.#health,
      metrics: this.#metrics,
    });
    this.#onStop(() => http.close());
    const peers = new Peers({ config, tls, runtime });
    this.#onStop(() => peers.close());
    const base = await this.#base(peers);
    const grpc = await this.#publicApi();
    await this.#makeTopics();
    const env = program.env(base, {
      config,
      log,
      peer: (name, definition) => peers.port(name, definition),
    });
    const service = await assembleService(blueprint, env, { ...(grpc && { grpc }), log });
    this.#onStop(() => service.close());
    const internal = new InternalServer({ host: config.INTERNAL_HOST, port: config.INTERNAL_PORT, tls, runtime, log });
    if (blueprint.internal) internal.serve(blueprint.internal, service.get<object>(INTERNAL_API));
    const topics = ownTopics(blueprint.name);
    internal.serve(
      messageService,
      messagesOf(
        { pool: base.pool, schema: blueprint.schema },
        topics.map(({ name }) => name),
      ),
    );
    await this.#operate(service, base, topics, tls);
    const internalBound = await internal.listen();
    this.#onStop(() => internal.stop(CALLS_DRAIN_MS_MAX));
    const bound = await grpc?.listen();
    if (grpc) this.#serve(grpc);
    this.#isListening = true;
    log.info({ grpc: bound?.port ?? 0, internal: internalBound.port, http: http.port }, 'the service is up');
  }

  async #base(peers: Peers): Promise<Omit<ServiceEnv, 'config'>> {
    const { program, config, kafka, runtime, log } = this.#options;
    const { name, schema, entities } = program.blueprint;
    const url = config.DATABASE_URL;
    const applicationName = `finality/${config.INSTANCE}`;
    const pool = createPool(url, { applicationName, connectionsMax: CONNECTIONS_MAX, log });
    this.#onStop(() => this.#within(SESSIONS_END_MS_MAX, pool.end()));
    await this.#untilReachable(pool);
    await this.#checkSchema(pool);
    const readModels = await createReadModels(url, {
      schema,
      entities,
      applicationName,
      connectionsMax: READ_CONNECTIONS_MAX,
    });
    this.#onStop(() => this.#within(SESSIONS_END_MS_MAX, readModels.destroy()));
    const foreign = this.#metrics
      .forService(name)
      .counter('finality_foreign_records_total', 'Records on our topics that are no messages of ours', [
        'topic',
        'reason',
      ]);
    const driver = new KafkaDriver({
      connection: kafka,
      pool,
      schema,
      isOwn: (topic) => topicNamed(topic).owner === name,
      owners: peers.messages(),
      counter: { foreign: (topic, reason) => foreign.inc({ topic, reason }) },
      runtime,
      log,
    });
    this.#onStop(() => driver.close());
    return { runtime, pool, readModels, driver, writer: await this.#lead(pool, schema) };
  }

  /** Whoever is alone leads before anything else happens. */
  async #lead(pool: Pool, schema: string): Promise<Writer> {
    const { config, runtime, log } = this.#options;
    const writer = new Writer({
      pool,
      schema,
      holder: config.INSTANCE,
      onLeading: () => {
        log.info({}, 'this process writes from now on');
        this.#leading.resolve();
      },
      onSuperseded: () => {
        log.warn({}, 'another process writes now: this one ends, to come back as a standby');
        this.#end.resolve(EXIT_FAILED);
      },
    });
    this.#writer = writer;
    const loop = new WorkerLoop({ worker: writer, runtime, log });
    await writer.step();
    loop.start();
    this.#health.register(`${this.#options.program.blueprint.name}/writer`, workerCheck(loop));
    this.#onStop(async () => {
      await loop.stop(LOOPS_STOP_MS_MAX);
      await writer.close();
    });
    return writer;
  }

  async #publicApi(): Promise<SharedGrpcServer | undefined> {
    const { program, config, runtime, log } = this.#options;
    const { GRPC_HOST: host, GRPC_PORT: port } = config;
    if (host === undefined || port === undefined || Object.keys(program.blueprint.grpc).length === 0) return undefined;
    const descriptorSet = await readFile(DESCRIPTORS_URL);
    return new SharedGrpcServer({
      host,
      port,
      portVariable: 'GRPC_PORT',
      descriptorSet,
      runtime,
      log,
      metrics: this.#metrics,
    });
  }

  async #operate(
    service: AssembledService,
    base: Omit<ServiceEnv, 'config'>,
    topics: readonly Topic[],
    tls: TlsIdentity,
  ): Promise<void> {
    const { program, config, kafka, runtime, log } = this.#options;
    const { schema, name } = program.blueprint;
    const { pool, writer } = base;
    const keysKeptDays = config.IDEMPOTENCY_KEY_DAYS;
    const relay = new KafkaRelay({ connection: kafka, pool, schema, runtime, lease: () => writer?.lease, log });
    this.#onStop(() => relay.close());
    this.#metrics
      .forService(name)
      .watch('finality_relay_lag_messages', 'Messages committed but not yet in Kafka', {}, async () =>
        Number(await relay.lag()),
      );
    this.#metrics
      .forService(name)
      .watch('finality_certificate_seconds', 'Until the certificate of the service ends', {}, () =>
        Math.max(0, (tls.endsAt.getTime() - runtime.now()) / 1_000),
      );
    const { promise: leading } = this.#leading;
    const { health, metrics } = { health: this.#health, metrics: this.#metrics };
    const workers = topics.length === 0 ? [tls] : [tls, topicsFirst(relay, () => this.#makeTopics())];
    health.register(`${name}/topics`, () => ({
      ok: this.#topicsProblem === undefined,
      ...(this.#topicsProblem !== undefined && { detail: { problem: this.#topicsProblem } }),
    }));
    const running = await operate(service, { base, health, metrics, log, workers, leading, keysKeptDays });
    this.#onStop(() => running.stop(LOOPS_STOP_MS_MAX));
    void leading
      .then(() => program.onLeading?.(service, config))
      .catch((error: unknown) => {
        log.error({ err: error }, 'the first work of the process that writes failed');
        this.#end.resolve(EXIT_FAILED);
      });
  }

  /** Its own topics, and those that it consumes: whoever comes first makes them. @returns whether they are there */
  async #makeTopics(): Promise<boolean> {
    const { program, config, kafka, log } = this.#options;
    const { name, topics } = program.blueprint;
    const { KAFKA_REPLICATION: replication } = config;
    const wanted = [...new Set([...ownTopics(name), ...topics])];
    const made = await ensureTopics(kafka, wanted, { ...(replication === undefined ? {} : { replication }), log });
    if (!made.ok) log.warn({ reason: made.error.reason }, made.error.message);
    this.#topicsProblem = made.ok ? undefined : `${made.error.message}. ${made.error.hint}`;
    return made.ok;
  }

  #serve(grpc: SharedGrpcServer): void {
    const { runtime, log } = this.#options;
    const probe = new WorkerLoop({ worker: grpcHealthWorker(this.#health, grpc), runtime, log });
    probe.start();
    this.#onStop(() => Promise.all([grpc.stop(CALLS_DRAIN_MS_MAX), probe.stop(LOOPS_STOP_MS_MAX)]));
  }

  /** Which migrations there are doesn't depend on whose tables they make: the roles are named as `migrate` names them. */
  async #checkSchema(pool: Pool): Promise<void> {
    const { name, schema, migrations } = this.#options.program.blueprint;
    const { owner, login } = rolesOf(name);
    const made = migrations({ schema, owner, service: login, bus: busRole() });
    const newer = await checkSchema({ pool, schema, migrations: made });
    if (newer.length > 0) this.#options.log.warn({ schema, migrations: newer }, 'the schema is of a newer release');
  }

  async #untilReachable(pool: Pool): Promise<void> {
    const { runtime, log } = this.#options;
    const deadlineMs = runtime.monotonicMs() + DATABASE_WAIT_MS_MAX;
    for (;;) {
      try {
        await pool.query('SELECT 1');
        return;
      } catch (error) {
        if (runtime.monotonicMs() > deadlineMs) {
          const message = `the database can't be reached: ${errorMessage(error)}`;
          throw new StartupError('DATABASE_UNREACHABLE', message, 'Check DATABASE_URL and the server', {
            cause: error,
          });
        }
        log.warn({ error: errorMessage(error) }, 'the database can’t be reached yet');
        await runtime.sleep(DATABASE_RETRY_MS);
      }
    }
  }

  #onStop(stop: () => unknown): void {
    this.#stops.push(stop);
  }

  /** In the reverse order of starting: calls, then work, then connections. */
  async #stop(): Promise<void> {
    const { log } = this.#options;
    this.#health.drain();
    await this.#within(STOP_MS_MAX, this.#stopAll());
    log.info({}, 'the service has ended');
  }

  async #stopAll(): Promise<void> {
    for (const stop of this.#stops.toReversed()) {
      try {
        await stop();
      } catch (error) {
        this.#options.log.error({ err: error }, 'a part of the service did not stop well');
      }
    }
  }

  async #within(ms: number, work: Promise<unknown>): Promise<void> {
    const inTime = new AbortController();
    await Promise.race([work, this.#options.runtime.sleep(ms, inTime.signal)]);
    inTime.abort();
  }
}

const ownTopics = (service: string): readonly Topic[] =>
  Object.values<Topic>(TOPICS).filter(({ owner }) => owner === service);

/** A relay that begins when its topics are there. Until then its health says why they aren't, and nothing is lost. */
function topicsFirst(relay: KafkaRelay, makeTopics: () => Promise<boolean>): Worker {
  let isMade = false;
  return {
    name: relay.name,
    pollMs: relay.pollMs,
    restMs: relay.restMs,
    step: async () => {
      isMade ||= await makeTopics();
      return isMade ? relay.step() : 'idle';
    },
  };
}
