import type { Runtime } from '@finality/kernel';
import { errorMessage, type HealthReport, type Log, StartupError } from '@finality/service';
import type { Flags } from './command-line.ts';
import { type PortVariable, type StandaloneConfig, wantsColour } from './config.ts';
import { type DataDirectory, openDataDirectory, replaceFile } from './data-dir.ts';
import { describeResult, resultJson } from './demo/report.ts';
import { runScenario, type ScenarioResult } from './demo/scenario.ts';
import { DemoFile } from './demo/state.ts';
import type { DistributedSettings, Environment } from './distributed/settings.ts';
import { ScenarioFailed } from './demo/wait.ts';
import { type OpenLog, openLog, type Paint, paintFor } from './output.ts';
import { type RunningPlatform, startPlatform } from './platform.ts';
import { choosePort } from './ports.ts';

const EXIT_FAILED = 1;
/** Whatever hangs, the process ends. */
const STOP_MS_MAX = 9_500;
/** Long enough for the first look at a node; whatever takes longer is shown by /readyz. */
const READY_MS_MAX = 10_000;
/** Eight processes have to start, and to find each other. */
const READY_DISTRIBUTED_MS_MAX = 60_000;
const READY_POLL_MS = 50;
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** What `npm run start:distributed` needs to know besides. */
export interface DistributedConfig {
  readonly settings: DistributedSettings;
  readonly environment: Environment;
}

/** `npm start`: claims the data directory, starts the platform, shows the scenario, and stays up until told to end. */
export class Standalone {
  readonly #flags: Flags;
  readonly #config: StandaloneConfig;
  readonly #runtime: Runtime;
  readonly #distributed: DistributedConfig | undefined;
  readonly #stopping = new AbortController();
  readonly #paint: Paint;

  /** @param distributed for processes of their own */
  constructor(flags: Flags, config: StandaloneConfig, runtime: Runtime, distributed?: DistributedConfig) {
    this.#flags = flags;
    this.#config = config;
    this.#runtime = runtime;
    this.#distributed = distributed;
    this.#paint = paintFor(wantsColour(process.stdout.isTTY));
  }

  /** @returns the exit code. @throws StartupError */
  async run(): Promise<number> {
    const { fresh } = this.#flags;
    for (const signal of SIGNALS) process.on(signal, () => this.#stopping.abort());
    const chain = this.#config.BITCOIN_RPC_URL === undefined && !this.#flags.distributed ? 'simulator' : 'node';
    const directory = await openDataDirectory(this.#config.FINALITY_DATA_DIR, { fresh, chain, runtime: this.#runtime });
    try {
      const onStderr = this.#config.LOG_LEVEL !== undefined || !this.#flags.demo;
      const logging = openLog(directory.log, this.#config.LOG_LEVEL ?? 'info', onStderr);
      try {
        return await this.#runIn(directory, logging);
      } catch (error) {
        if (!(error instanceof StartupError)) logging.log.error({ err: error }, 'the platform failed');
        throw error;
      } finally {
        logging.close();
      }
    } finally {
      await directory.release();
    }
  }

  async #runIn(directory: DataDirectory, { log }: OpenLog): Promise<number> {
    const startedAt = this.#runtime.monotonicMs();
    const platform = await this.#platform(directory, log);
    try {
      await this.#untilReady(platform);
      this.#say(`Up after ${((this.#runtime.monotonicMs() - startedAt) / 1_000).toFixed(1)} s`);
      return await this.#serve(platform, directory);
    } finally {
      await this.#stop(platform);
    }
  }

  async #platform(directory: DataDirectory, log: Log): Promise<RunningPlatform> {
    const { fresh } = this.#flags;
    const config = this.#config;
    const runtime = this.#runtime;
    const ports = { grpc: await this.#port('GRPC_PORT'), http: await this.#port('HTTP_PORT') };
    if (this.#distributed) {
      this.#say('Starting Finality: Kafka, Postgres, a Bitcoin node, and each service as a process of its own');
      // Only now: who runs everything in one process needs none of it.
      const { startDistributed } = await import('./distributed/platform.ts');
      const { environment, settings } = this.#distributed;
      const say = (line: string): void => this.#say(line);
      return startDistributed({ directory, config, settings, environment, ports, fresh, runtime, log, say });
    }
    const bitcoinRpc = config.BITCOIN_RPC_URL === undefined ? await this.#port('BITCOIN_RPC_PORT') : 0;
    this.#say('Starting Finality: Postgres, a Bitcoin node and seven services');
    return startPlatform({ directory, config, ports: { ...ports, bitcoinRpc }, fresh, runtime, log });
  }

  /** Who is told that it is up may ask `/readyz` at once. */
  async #untilReady({ health }: RunningPlatform): Promise<void> {
    const msMax = this.#distributed ? READY_DISTRIBUTED_MS_MAX : READY_MS_MAX;
    const deadlineMs = this.#runtime.monotonicMs() + msMax;
    let unready = unreadyOf(await health.report());
    while (unready.length > 0 && this.#runtime.monotonicMs() < deadlineMs && !this.#stopping.signal.aborted) {
      await this.#runtime.sleep(READY_POLL_MS);
      unready = unreadyOf(await health.report());
    }
    if (unready.length > 0) this.#say(`Not ready yet: ${unready.join(', ')}`);
  }

  async #serve(platform: RunningPlatform, directory: DataDirectory): Promise<number> {
    const file = await DemoFile.open(directory.demoState);
    await this.#writeDemoFile(platform, directory, file.state.apiKeys);
    const gone = platform.lost.then((cause) => this.#complain(cause));
    const result = this.#flags.demo ? await Promise.race([this.#scenario(platform, file), gone]) : undefined;
    // Told to end: whoever wanted the result doesn't get it, anybody else gets what they asked for.
    if (result === 'failed') return this.#stopping.signal.aborted && !this.#flags.once ? 0 : EXIT_FAILED;
    if (result) await this.#writeDemoFile(platform, directory, file.state.apiKeys);
    if (result) this.#print(`${describeResult(result, this.#paint)}\n`);
    if (!this.#flags.once) this.#print(this.#invitation(platform, directory, result));
    if (result && this.#flags.json) this.#print(`${resultJson(result)}\n`);
    if (this.#flags.once) return 0;
    platform.mine();
    return (await Promise.race([this.#told(), gone])) === 'failed' ? EXIT_FAILED : 0;
  }

  async #scenario(platform: RunningPlatform, file: DemoFile): Promise<ScenarioResult | 'failed'> {
    try {
      return await runScenario({
        address: `${platform.grpc.host}:${platform.grpc.port}`,
        operatorKeys: [platform.secrets.operator.apiKey, platform.secrets.secondOperator.apiKey],
        node: platform.chain.node,
        file,
        runtime: this.#runtime,
        stopping: this.#stopping.signal,
        say: (line) => this.#say(line),
      });
    } catch (error) {
      if (this.#stopping.signal.aborted) return 'failed';
      const what = error instanceof ScenarioFailed ? error.message : ((error as Error).stack ?? errorMessage(error));
      process.stderr.write(`The scenario failed: ${what}\nMore is in ${this.#config.FINALITY_DATA_DIR}/finality.log\n`);
      return 'failed';
    }
  }

  #told(): Promise<void> {
    const { signal } = this.#stopping;
    return new Promise((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  #complain(cause: string): 'failed' {
    const serverLog = `${this.#config.FINALITY_DATA_DIR}/postgres/server.log`;
    process.stderr.write(`Postgres is gone: ${cause}. Its log is ${serverLog}\n`);
    return 'failed';
  }

  async #stop(platform: RunningPlatform): Promise<void> {
    if (this.#stopping.signal.aborted) process.stderr.write('Stopping\n');
    const inTime = new AbortController();
    const late = this.#runtime.sleep(STOP_MS_MAX, inTime.signal).then(() => {
      if (inTime.signal.aborted) return;
      process.stderr.write('Not everything stopped in time; what was committed is safe\n');
      process.exit(EXIT_FAILED);
    });
    await Promise.race([platform.stop(), late]);
    inTime.abort();
  }

  async #port(variable: PortVariable): Promise<number> {
    const { port, instead } = await choosePort(variable, this.#config[variable]);
    if (instead !== undefined) {
      this.#say(`Port ${instead} is taken by another program: using ${port} instead (${variable} sets it)`);
    }
    return port;
  }

  /** How to reach this platform, for tools and for `npm run call`. */
  async #writeDemoFile(
    { grpc, http, chain, secrets }: RunningPlatform,
    directory: DataDirectory,
    apiKeys: Readonly<Record<string, string>>,
  ): Promise<void> {
    const content = {
      grpc: `${grpc.host}:${grpc.port}`,
      http: `http://${http.host}:${http.port}`,
      bitcoinRpc: chain.rpc,
      institutions: Object.entries(apiKeys).map(([id, apiKey]) => ({ id, apiKey })),
      operator: { apiKey: secrets.operator.apiKey },
      secondOperator: { apiKey: secrets.secondOperator.apiKey },
      compliance: { apiKey: secrets.compliance.apiKey },
    };
    await replaceFile(directory.demo, `${JSON.stringify(content, undefined, 2)}\n`);
  }

  #invitation(platform: RunningPlatform, directory: DataDirectory, result: ScenarioResult | undefined): string {
    const { grpc, http, chain, secrets } = platform;
    const { bold, dim } = this.#paint;
    const keys = [
      ...(result?.institutions ?? []),
      { id: 'operator', apiKey: secrets.operator.apiKey },
      { id: 'operator-2', apiKey: secrets.secondOperator.apiKey },
      { id: 'compliance', apiKey: secrets.compliance.apiKey },
    ];
    const seconds = this.#config.MINE_INTERVAL_SECONDS;
    const mining = seconds > 0 && this.#config.BITCOIN_NETWORK === 'regtest';
    const lines = [
      '',
      bold('The platform is up.'),
      `  gRPC           ${grpc.host}:${grpc.port}`,
      `  HTTP           http://${http.host}:${http.port}/readyz  /metrics`,
      `  Bitcoin        ${chain.rpc.url}${mining ? `, a block every ${seconds} s` : ''}`,
      `  data           ${directory.path}`,
      '',
      bold('API keys') + dim('  (metadata "authorization: Bearer <key>"; also in demo.json in the data directory)'),
      ...keys.map(({ id, apiKey }) => `  ${id.padEnd(13)}  ${apiKey}`),
      '',
      ...(result ? this.#examples(result) : []),
      dim('Ctrl-C ends it. Everything is kept; the next start goes on from here.'),
      '',
    ];
    return lines.join('\n');
  }

  #examples({ institutions }: ScenarioResult): string[] {
    const [payer, payee] = institutions;
    const request = `{"idempotency_key":"my-first","from_institution":"${payer?.id}","to_institution":"${payee?.id}","amount_sats":"1000000","settlement_mode":"SETTLEMENT_MODE_BILATERAL"}`;
    return [
      this.#paint.bold('Your first settlement') + this.#paint.dim('  (from another terminal)'),
      `  npm run call -- SubmitSettlement '${request}' --as ${payer?.id}`,
      `  npm run call -- WatchSettlements --as ${payer?.id}`,
      `  npm run call -- GetBalances '{"institution_id":"${payee?.id}"}' --as ${payee?.id}`,
      '',
    ];
  }

  #say(line: string): void {
    this.#print(`${this.#paint.dim(line)}\n`);
  }

  #print(text: string): void {
    process.stdout.write(text);
  }
}

const unreadyOf = ({ checks }: HealthReport): string[] =>
  Object.entries(checks).flatMap(([name, { ok }]) => (ok ? [] : [name]));
