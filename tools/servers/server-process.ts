import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastLines, ServerUnavailable } from './program.ts';

const READY_POLL_MS = 50;
const PROBE_MS_MAX = 5_000;
const STOP_MS_MAX = 20_000;

export type EndingSignal = 'SIGKILL' | 'SIGTERM' | 'SIGINT';
export type PausingSignal = 'SIGSTOP' | 'SIGCONT';

export interface ProcessOptions {
  /** For messages. */
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** What it says, standard output and error together; begun anew. */
  readonly outputFile: string;
  /** Whether it goes on when we end. If not it ends with us, however we end (where Linux's setpriv is; else unless we are killed). */
  readonly detached: boolean;
}

/** A server's process: of a group of its own, so that Ctrl-C at our terminal doesn't end it before those who use it. */
export class ServerProcess {
  readonly pid: number;
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<void>;
  readonly #options: ProcessOptions;
  readonly #child: ChildProcess;
  readonly #endWithUs = (): boolean => this.#child.kill('SIGKILL');

  private constructor(options: ProcessOptions, child: ChildProcess) {
    this.#options = options;
    this.#child = child;
    this.pid = child.pid!;
    this.ended = new Promise((resolve) => {
      child.once('exit', () => {
        process.off('exit', this.#endWithUs);
        resolve();
      });
    });
    if (options.detached) child.unref();
    else process.once('exit', this.#endWithUs);
  }

  /** @throws ServerUnavailable `NOT_STARTED` */
  static async start(options: ProcessOptions): Promise<ServerProcess> {
    const tie = !options.detached && (await canTie()) ? TIE : [];
    const [file, ...args] = [...tie, options.file, ...options.args];
    const output = openSync(options.outputFile, 'w', 0o600);
    const { cwd, env } = options;
    const child = spawn(file!, args, { detached: true, stdio: ['ignore', output, output], cwd, env });
    closeSync(output);
    await once(child, 'spawn').catch((error: Error) => {
      throw new ServerUnavailable('NOT_STARTED', `${options.name} can't be started: ${error.message}`);
    });
    return new ServerProcess(options, child);
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  output(): string {
    return readFileSync(this.#options.outputFile, 'utf8');
  }

  /**
   * Waits until the server answers. Kills it when it doesn't in time.
   * @throws ServerUnavailable `NOT_STARTED`
   */
  async untilReady(isReady: () => Promise<boolean>, readyMsMax: number): Promise<void> {
    const { name, outputFile } = this.#options;
    const deadline = performance.now() + readyMsMax;
    while (performance.now() < deadline) {
      if (await isReady()) return;
      if (this.hasEnded) {
        const how = this.#child.signalCode ?? `code ${this.#child.exitCode}`;
        throw new ServerUnavailable('NOT_STARTED', `${name} ended with ${how}:\n${lastLines(this.output())}`);
      }
      await sleep(READY_POLL_MS);
    }
    await this.kill('SIGKILL');
    throw new ServerUnavailable(
      'NOT_STARTED',
      `${name} doesn't answer after ${readyMsMax / 1000} s; its output is in ${outputFile}`,
    );
  }

  /** Sends a signal and, when it is one that ends a process, waits until it has. */
  async kill(signal: EndingSignal | PausingSignal): Promise<void> {
    if (this.hasEnded) return;
    this.#child.kill(signal);
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await this.ended;
  }

  /** SIGTERM, then SIGKILL if it doesn't end in time. */
  async stop(): Promise<void> {
    if (this.hasEnded) return;
    this.#child.kill('SIGTERM');
    const inTime = new AbortController();
    const late = sleep(STOP_MS_MAX, 'late' as const, { signal: inTime.signal }).catch(() => 'cancelled' as const);
    if ((await Promise.race([this.ended, late])) === 'late') await this.kill('SIGKILL');
    inTime.abort();
  }
}

/** The kernel kills the program when the one that started it is gone. */
const TIE = ['setpriv', '--pdeathsig', 'KILL', '--'];
let tieable: Promise<boolean> | undefined;

function canTie(): Promise<boolean> {
  const [file, ...args] = TIE;
  tieable ??= new Promise((resolve) => {
    execFile(file!, [...args, 'true'], { timeout: PROBE_MS_MAX }, (error) => resolve(error === null));
  });
  return tieable;
}
