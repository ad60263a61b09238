import type { Worker } from '@finality/kernel';
import { BTC, type Unit } from '@finality/ledger';
import { levelAt, type LiquidityLevel } from '@finality/settlement';
import type { Pool } from 'pg';
import type { SettlementEnv, SettlementReader, SettlementStore } from '../env.ts';
import { WATCHED } from '../projections/streams.ts';
import type { RecoveryGate } from '../recovery-gate.ts';
import { ownCause } from './cause.ts';

const CROSSED_MAX = 500;
/** People are told: nobody needs it sooner, and looking costs. */
const INTERVAL_MS = 1_000;
const POLL_MS = 1_000;

interface WatchedRow {
  readonly institution_id: string;
  readonly unit: Unit;
  readonly level: LiquidityLevel;
  readonly warn_below: bigint;
  readonly critical_below: bigint;
  readonly spendable: bigint;
}

/** Of those that want to be told only: whoever doesn't isn't looked at. */
const BALANCES = `
  SELECT institution_id, balance.unit, level, warn_below, critical_below,
    coalesce(credits_posted::numeric - debits_posted - debits_pending + overdraft, 0)::bigint AS spendable
  FROM ${WATCHED}
    LEFT JOIN ledger_accounts ON id = 'clearing/' || institution_id || CASE WHEN balance.unit = '${BTC}' THEN '' ELSE '/' || balance.unit END || '/available'
  WHERE watched IS NOT NULL ORDER BY institution_id, balance.unit`;

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
    const crossed = await readCrossed(pool);
    this.#lookedAt = { position, ms };
    if (crossed.length === 0) return 'idle';
    const outcomes = await this.#store.execute(
      crossed.map(({ institutionId, unit }) => ({
        body: { type: 'observe_liquidity', institutionId, unit },
        cause: ownCause(this.#env, institutionId),
      })),
    );
    for (const outcome of outcomes) if (outcome.kind === 'failed') throw outcome.error;
    return 'progress';
  }
}

/** Clearing balances that are past a level by now that hasn't been told. */
export async function readCrossed(
  pool: Pick<Pool, 'query'>,
): Promise<readonly { readonly institutionId: string; readonly unit: Unit }[]> {
  const { rows } = await pool.query<WatchedRow>(BALANCES);
  const crossed = rows.filter(hasCrossed).slice(0, CROSSED_MAX);
  return crossed.map(({ institution_id: institutionId, unit }) => ({ institutionId, unit }));
}

function hasCrossed(row: WatchedRow): boolean {
  const alerts = { warnBelow: row.warn_below, criticalBelow: row.critical_below };
  return levelAt(alerts, row.spendable, row.level) !== row.level;
}
