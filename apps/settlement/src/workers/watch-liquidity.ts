import type { Worker } from '@finality/kernel';
import { levelAt, type LiquidityLevel } from '@finality/settlement';
import type { SettlementEnv, SettlementReader, SettlementStore } from '../env.ts';
import type { RecoveryGate } from '../recovery-gate.ts';
import { ownCause } from './cause.ts';

const CROSSED_MAX = 500;
/** People are told: nobody needs it sooner, and looking costs. */
const INTERVAL_MS = 1_000;
const POLL_MS = 1_000;

interface WatchedRow {
  readonly institution_id: string;
  readonly liquidity_level: LiquidityLevel;
  readonly warn_below_sats: bigint;
  readonly critical_below_sats: bigint;
  readonly spendable_sats: bigint;
}

/** Of those that want to be told only: whoever doesn't isn't looked at. */
const WATCHED = `
  SELECT institution_id, liquidity_level, warn_below_sats, critical_below_sats,
    coalesce(credits_posted - debits_posted - debits_pending + overdraft, 0)::bigint AS spendable_sats
  FROM institutions LEFT JOIN ledger_accounts ON id = 'clearing/' || institution_id || '/available'
  WHERE liquidity_level IS NOT NULL ORDER BY institution_id`;

/** Looks whose liquidity has crossed a level since the log moved last; a batch decides whether it has, and tells. */
export class WatchLiquidity implements Worker {
  readonly name = 'settlement watch liquidity';
  readonly pollMs = POLL_MS;
  readonly #env: SettlementEnv;
  readonly #store: SettlementStore;
  readonly #reader: SettlementReader;
  readonly #gate: RecoveryGate;
  #lookedAt = { position: -1n, ms: Number.NEGATIVE_INFINITY };

  constructor(env: SettlementEnv, store: SettlementStore, reader: SettlementReader, gate: RecoveryGate) {
    this.#env = env;
    this.#store = store;
    this.#reader = reader;
    this.#gate = gate;
  }

  async step(): Promise<'progress' | 'idle'> {
    if (!this.#gate.isOpen) return 'idle';
    const { pool, runtime } = this.#env;
    const ms = runtime.monotonicMs();
    if (ms < this.#lookedAt.ms + INTERVAL_MS) return 'idle';
    const { position } = await this.#reader.head();
    if (position === this.#lookedAt.position) return 'idle';
    const { rows } = await pool.query<WatchedRow>(WATCHED);
    this.#lookedAt = { position, ms };
    const crossed = rows.filter(hasCrossed).slice(0, CROSSED_MAX);
    if (crossed.length === 0) return 'idle';
    const outcomes = await this.#store.execute(
      crossed.map(({ institution_id: institutionId }) => ({
        body: { type: 'observe_liquidity', institutionId },
        cause: ownCause(this.#env, institutionId),
      })),
    );
    for (const outcome of outcomes) if (outcome.kind === 'failed') throw outcome.error;
    return 'progress';
  }
}

function hasCrossed(row: WatchedRow): boolean {
  const alerts = { warnBelowSats: row.warn_below_sats, criticalBelowSats: row.critical_below_sats };
  return levelAt(alerts, row.spendable_sats, row.liquidity_level) !== row.liquidity_level;
}
