import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { RpcAccess } from '../chain.ts';

const CHILD = path.join(import.meta.dirname, 'child.fixture.ts');
const REGISTER = path.resolve(import.meta.dirname, '../../../../tools/register.mjs');
/** Of what V8 makes of our modules: a third of the time that loading them takes. */
const COMPILE_CACHE = path.resolve(import.meta.dirname, '../../../../node_modules/.cache/v8');
const START_MS_MAX = 120_000;
const STOP_MS_MAX = 15_000;
const STDERR_LENGTH_MAX = 20_000;

/** Where a platform is found, and how its first operators and the world around it get in. */
export interface PlatformAccess {
  readonly grpc: string;
  readonly bitcoinRpc: RpcAccess;
  readonly operatorKeys: readonly [string, string];
}

/** What the child says once it is up. */
export interface Greeting extends PlatformAccess {
  /** Loading its modules isn't part of it. */
  readonly startMs: number;
}

/** Amounts, partners and wallets follow from a seed, not from what risk makes of them: nothing is to end in a review. */
const SETTINGS = { RISK_REVIEW_SCORE: '100', RISK_REJECT_SCORE: '100', CHAIN_POLL_MS: '50' };

/** The platform in a process of its own (`child.fixture.ts`), which loads its modules at once and starts when told to. */
export class PlatformProcess {
  readonly loaded: Promise<unknown>;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #stderr = '';

  constructor(dataDir: string) {
    this.#child = fork(CHILD, [dataDir], {
      execArgv: ['--no-warnings', '--max-semi-space-size=64', '--import', REGISTER],
      env: { ...process.env, ...SETTINGS, NODE_COMPILE_CACHE: COMPILE_CACHE },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString('utf8')).slice(-STDERR_LENGTH_MAX);
    });
    // A message that crosses with its end, or with a kill, is of no interest.
    this.#child.on('error', () => undefined);
    this.#ended = once(this.#child, 'exit').then(([code]) => code as number | null);
    this.loaded = once(this.#child, 'message');
  }

  /** @throws when it ends instead, or takes too long */
  async start(): Promise<Greeting> {
    const late = setTimeout(() => this.#child.kill('SIGKILL'), START_MS_MAX);
    try {
      await this.#unlessEnded(this.loaded);
      const greeted = once(this.#child, 'message');
      this.#child.send('start');
      const [greeting] = await this.#unlessEnded(greeted);
      return greeting as Greeting;
    } finally {
      clearTimeout(late);
    }
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** As SIGTERM to `npm start`: drains, then stops Postgres. Kills what doesn't end in time. @returns the exit code */
  async stop(): Promise<number | null> {
    if (this.#child.connected) this.#child.send('stop');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS_MAX);
    const code = await this.#ended;
    clearTimeout(late);
    return code;
  }

  #unlessEnded<T>(what: Promise<T>): Promise<T> {
    const ended = this.#ended.then((code) => {
      throw new Error(`the platform ended with ${code ?? 'a signal'}: ${this.#stderr}`);
    });
    return Promise.race([what, ended]);
  }
}
