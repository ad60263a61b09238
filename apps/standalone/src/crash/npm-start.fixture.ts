import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { PlatformAccess } from './platform-process.fixture.ts';

const MAIN = path.resolve(import.meta.dirname, '../main.ts');
const REGISTER = path.resolve(import.meta.dirname, '../../../../tools/register.mjs');
const UP = 'The platform is up.';
const STOP_MS_MAX = 15_000;

/** `npm start -- --no-demo` on free ports, as a process of its own. Nothing is mined by itself. */
export class NpmStart {
  readonly pid: number;
  readonly #dataDir: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #output = '';

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
    const settings = { GRPC_PORT: '0', HTTP_PORT: '0', BITCOIN_RPC_PORT: '0', MINE_INTERVAL_SECONDS: '0' };
    this.#child = spawn(process.execPath, ['--no-warnings', '--import', REGISTER, MAIN, '--no-demo'], {
      env: { ...process.env, ...settings, FINALITY_DATA_DIR: dataDir, LOG_LEVEL: 'error' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.pid = this.#child.pid!;
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.#output += chunk.toString('utf8')));
    }
    this.#ended = once(this.#child, 'close').then(([code]) => code as number | null);
  }

  /** Everything that it has said. */
  get output(): string {
    return this.#output;
  }

  /** @throws when it ends instead */
  async up(): Promise<PlatformAccess> {
    const ended = this.#ended.then((code) => {
      throw new Error(`it ended with ${code}: ${this.#output}`);
    });
    while (!this.#output.includes(UP)) await Promise.race([once(this.#child.stdout!, 'data'), ended]);
    ended.catch(() => undefined);
    const text = await readFile(path.join(this.#dataDir, 'demo.json'), 'utf8');
    const { grpc, bitcoinRpc, operator, secondOperator } = JSON.parse(text) as {
      readonly grpc: string;
      readonly bitcoinRpc: PlatformAccess['bitcoinRpc'];
      readonly operator: { readonly apiKey: string };
      readonly secondOperator: { readonly apiKey: string };
    };
    return { grpc, bitcoinRpc, operatorKeys: [operator.apiKey, secondOperator.apiKey] };
  }

  /** Waits for it to end by itself. @returns its exit code, or undefined when it had to be killed */
  async end(): Promise<number | null | undefined> {
    const late = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS_MAX);
    const code = await this.#ended;
    clearTimeout(late);
    return this.#child.signalCode === null ? code : undefined;
  }

  async stop(): Promise<number | null | undefined> {
    this.#child.kill('SIGTERM');
    return this.end();
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
