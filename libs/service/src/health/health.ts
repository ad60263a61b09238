import type { Runtime, Worker } from '@finality/kernel';
import { errorMessage } from '../startup-error.ts';
import type { WorkerLoop } from '../runtime/worker-loop.ts';

const CHECK_TIMEOUT_MS = 2_000;
/** So many who ask at once cost one round of checks. */
const CACHE_MS = 200;
const STEP_MAX_MS = 60_000;
const ERRORS_IN_A_ROW_MAX = 5;

/** How a dependency is, as far as we can tell right now. `detail` is shown as it is: numbers and words, no secrets. */
export interface CheckResult {
  readonly ok: boolean;
  readonly detail?: Readonly<Record<string, string | number | boolean>>;
}

export interface HealthReport {
  /** `standby`: well, while another process of the service writes. */
  readonly status: 'ready' | 'standby' | 'not_ready' | 'draining';
  /** Whether it is this process that writes, well or not. */
  readonly writes: boolean;
  readonly checks: Readonly<Record<string, CheckResult>>;
}

/** What `/readyz` and the gRPC health service tell. Every check asks its dependency; none answers from hope. */
export class HealthRegistry {
  readonly #runtime: Runtime;
  readonly #checks = new Map<string, () => Promise<CheckResult>>();
  #latest: { readonly atMs: number; readonly report: Promise<HealthReport> } | undefined;
  #draining = false;
  #standsBy = (): boolean => false;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** `service/dependency`; a check that throws or takes over 2 s has failed. */
  register(name: string, check: () => CheckResult | Promise<CheckResult>): void {
    if (this.#checks.has(name)) throw new Error(`there is a health check ${name} already`);
    this.#checks.set(name, async () => check());
  }

  has(name: string): boolean {
    return this.#checks.has(name);
  }

  /** How to find out whether another process does the work. */
  standBy(standsBy: () => boolean): void {
    this.#standsBy = standsBy;
  }

  /** From now on not ready: load balancers look elsewhere while what is under way ends. */
  drain(): void {
    this.#draining = true;
    this.#latest = undefined;
  }

  report(): Promise<HealthReport> {
    const nowMs = this.#runtime.monotonicMs();
    if (this.#latest && nowMs - this.#latest.atMs < CACHE_MS) return this.#latest.report;
    const report = this.#ask();
    this.#latest = { atMs: nowMs, report };
    return report;
  }

  async #ask(): Promise<HealthReport> {
    const results = await Promise.all(
      [...this.#checks].map(async ([name, check]) => [name, await this.#run(check)] as const),
    );
    const isReady = results.every(([, result]) => result.ok);
    return { status: this.#statusOf(isReady), writes: !this.#standsBy(), checks: Object.fromEntries(results) };
  }

  #statusOf(isReady: boolean): HealthReport['status'] {
    if (this.#draining) return 'draining';
    if (!isReady) return 'not_ready';
    return this.#standsBy() ? 'standby' : 'ready';
  }

  async #run(check: () => Promise<CheckResult>): Promise<CheckResult> {
    const inTime = new AbortController();
    const late = this.#runtime
      .sleep(CHECK_TIMEOUT_MS, inTime.signal)
      .then((): CheckResult => ({ ok: false, detail: { error: `no answer within ${CHECK_TIMEOUT_MS} ms` } }));
    const answer = check().catch((error: unknown): CheckResult => ({
      ok: false,
      detail: { error: errorMessage(error) },
    }));
    const result = await Promise.race([answer, late]);
    inTime.abort();
    return result;
  }
}

/** The check of a database: a round trip. */
export function databaseCheck(pool: { query(sql: string): Promise<unknown> }): () => Promise<CheckResult> {
  return async () => {
    await pool.query('SELECT 1');
    return { ok: true };
  };
}

/** Background work is unwell when it fails again and again, or a step takes over a minute. */
export function workerCheck(loop: Pick<WorkerLoop, 'status'>): () => CheckResult {
  return () => {
    const { state, errorsInARow, stepMs, lastError } = loop.status();
    const ok = errorsInARow < ERRORS_IN_A_ROW_MAX && (stepMs ?? 0) < STEP_MAX_MS && state !== 'stopped';
    const detail = {
      state,
      errorsInARow,
      ...(stepMs !== undefined && { stepMs: Math.round(stepMs) }),
      ...(lastError !== undefined && { lastError }),
    };
    return { ok, detail };
  };
}

/** Keeps the answers of the gRPC health service true. */
export function grpcHealthWorker(
  registry: HealthRegistry,
  server: { readonly services: readonly string[]; setServing(service: string, serving: boolean): void },
): Worker {
  let last: boolean | undefined;
  return {
    name: 'grpc-health',
    pollMs: 1_000,
    step: async () => {
      const serving = (await registry.report()).status === 'ready';
      if (serving !== last) for (const service of ['', ...server.services]) server.setServing(service, serving);
      last = serving;
      return 'idle';
    },
  };
}
