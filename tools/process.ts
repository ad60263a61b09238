import { spawn, type SpawnOptions } from 'node:child_process';

/** How a program ended, and what it said if that was kept. */
export interface Ended {
  /** 0 when it succeeded; 1 when a signal or the time limit ended it. */
  readonly code: number;
  readonly output: string;
  readonly seconds: number;
}

/** A program that ignores SIGTERM gets this long before it is killed. */
const GRACE_MS = 10_000;

/**
 * Runs a program to its end. Rejects only when it can't be started. A SIGTERM or SIGINT that we get goes to the program, and once it
 * has ended, ends us as well.
 * @param keep whether to keep what it says (standard output and error together) rather than show it
 */
export function run(
  file: string,
  args: readonly string[],
  { timeoutMs, keep, ...options }: SpawnOptions & { readonly timeoutMs: number; readonly keep: boolean },
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(file, args, { ...options, stdio: keep ? ['ignore', 'pipe', 'pipe'] : 'inherit' });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (output += text));
    }
    const limit = setTimeout(() => {
      output += `\nended after ${timeoutMs / 1000} s, its time limit\n`;
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), GRACE_MS).unref();
    }, timeoutMs);
    let received: NodeJS.Signals | undefined;
    const forward = (signal: NodeJS.Signals): void => {
      received = signal;
      child.kill(signal);
    };
    process.on('SIGTERM', forward).on('SIGINT', forward);
    const finish = (): void => {
      clearTimeout(limit);
      process.off('SIGTERM', forward).off('SIGINT', forward);
    };
    child.once('error', (error) => {
      finish();
      reject(error);
    });
    child.once('close', (code) => {
      finish();
      if (received !== undefined) process.kill(process.pid, received);
      resolve({ code: code ?? 1, output, seconds: (performance.now() - started) / 1000 });
    });
  });
}
