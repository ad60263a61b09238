import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ServiceName } from '@finality/contracts';
import type { Runtime } from '@finality/kernel';
import type { Log } from '@finality/service';

const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 30_000;
/** Whoever lived so long begins anew with the shortest pause. */
const HEALTHY_MS = 5_000;
const STOP_MS_MAX = 9_500;
const LOADER = new URL('../../../../tools/register.mjs', import.meta.url);
const TIE = new URL('tied-to-parent.ts', import.meta.url);
/** As `npm start` has it for all services together: V8 would leave garbage lying about otherwise. */
const NODE_FLAGS = ['--max-old-space-size=256', '--max-semi-space-size=8'];
const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

export interface ServiceChildOptions {
  readonly service: ServiceName;
  /** `settlement-0` */
  readonly instance: string;
  /** All that it gets to see. */
  readonly environment: Readonly<Record<string, string>>;
  readonly runtime: Runtime;
  readonly log: Log;
  /** A line for people. */
  readonly say: (line: string) => void;
}

/** One service process, started again with ever longer pauses when it ends by itself. Its log lines go into ours. */
export class ServiceChild {
  readonly #options: ServiceChildOptions;
  readonly #stopping = new AbortController();
  #child: ChildProcess | undefined;
  #running: Promise<void> | undefined;
  #starts = 0;

  constructor(options: ServiceChildOptions) {
    this.#options = options;
  }

  get service(): ServiceName {
    return this.#options.service;
  }

  get instance(): string {
    return this.#options.instance;
  }

  /** Undefined while there is none. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** How often it has been started. */
  get starts(): number {
    return this.#starts;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** To the present process, which is started again if that ends it. */
  kill(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** SIGTERM, which drains it; SIGKILL if it doesn't end in time. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#child?.kill('SIGTERM');
    const inTime = new AbortController();
    const late = this.#options.runtime.sleep(STOP_MS_MAX, inTime.signal).then(() => {
      if (!inTime.signal.aborted) this.#child?.kill('SIGKILL');
    });
    await this.#running;
    inTime.abort();
    await late;
  }

  async #run(): Promise<void> {
    const { runtime, say, instance } = this.#options;
    let failures = 0;
    while (!this.#stopping.signal.aborted) {
      const startedMs = runtime.monotonicMs();
      const how = await this.#once();
      if (this.#stopping.signal.aborted) return;
      failures = runtime.monotonicMs() - startedMs > HEALTHY_MS ? 1 : failures + 1;
      const pauseMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (failures - 1));
      say(`${instance} ended ${how}; it is started again in ${pauseMs / 1_000} s`);
      await runtime.sleep(pauseMs, this.#stopping.signal);
    }
  }

  /** @returns how it ended, in words */
  #once(): Promise<string> {
    const { service, environment } = this.#options;
    const main = fileURLToPath(new URL(`../../../${service}/src/main.ts`, import.meta.url));
    this.#starts += 1;
    const imports = [LOADER, TIE].flatMap(({ href }) => ['--import', href]);
    const child = spawn(process.execPath, [...NODE_FLAGS, ...imports, main], {
      env: environment,
      stdio: ['pipe', 'ignore', 'pipe'],
      // Ctrl-C is for us: we end them in order.
      detached: true,
    });
    this.#child = child;
    createInterface({ input: child.stderr }).on('line', (line) => this.#passOn(line));
    return new Promise((resolve) => {
      child.once('error', (error) => resolve(`before it began (${error.message})`));
      child.once('exit', (code, signal) => {
        this.#child = undefined;
        resolve(signal === null ? `with code ${code}` : `by ${signal}`);
      });
    });
  }

  /** What isn't a log entry was said before there was a log: why it couldn't start. */
  #passOn(line: string): void {
    const { log, instance, say } = this.#options;
    const entry = parseEntry(line);
    if (entry === undefined) {
      log.warn({ instance }, line);
      say(`${instance}: ${line}`);
      return;
    }
    const { level, msg, ...fields } = entry;
    log[level]({ ...fields, instance }, msg);
  }
}

interface Entry {
  readonly level: (typeof LEVELS)[number];
  readonly msg: string;
}

function parseEntry(line: string): Entry | undefined {
  try {
    const { time: _time, service: _service, ...entry } = JSON.parse(line) as Record<string, unknown>;
    const level = LEVELS.find((known) => known === entry['level']);
    return level && typeof entry['msg'] === 'string' ? { ...entry, level, msg: entry['msg'] } : undefined;
  } catch {
    return undefined;
  }
}
