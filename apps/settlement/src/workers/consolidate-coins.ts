import { assert, type Worker } from '@finality/kernel';
import { feesNow } from '@finality/settlement';
import type { SettlementEnv, SettlementReader, SettlementStore } from '../env.ts';
import { CHAIN_TIP_ID, chainTipStream } from '../store/streams.ts';
import { ownCause } from './cause.ts';

/** At once, those with most coins first; the others have their turn the next time. */
const WALLETS_MAX = 20;
/** All free coins are counted: seldom enough, and only when something has happened since. */
const POLL_MS = 5_000;

/** While fees are low, looks for wallets with many small coins, one consolidation of each at a time. Which become one is decided in the batch. */
export class ConsolidateCoins implements Worker {
  readonly name = 'settlement consolidate coins';
  readonly pollMs = POLL_MS;
  readonly #env: SettlementEnv;
  readonly #store: SettlementStore;
  readonly #reader: SettlementReader;
  #lookedAt = { position: -1n, at: Number.NEGATIVE_INFINITY };

  constructor(env: SettlementEnv, store: SettlementStore, reader: SettlementReader) {
    this.#env = env;
    this.#store = store;
    this.#reader = reader;
  }

  async step(): Promise<'progress' | 'idle'> {
    const { pool, runtime, config } = this.#env;
    const { consolidation } = config.policy;
    assert(consolidation !== undefined, 'consolidation is switched on');
    const { position } = await this.#reader.head();
    if (position === this.#lookedAt.position || runtime.now() < this.#lookedAt.at + POLL_MS) return 'idle';
    this.#lookedAt = { position, at: runtime.now() };
    const { state: tip } = await this.#reader.loadState(chainTipStream, CHAIN_TIP_ID);
    if (feesNow(tip, config.policy).targets.slow.feeRate > consolidation.feeRateMax) return 'idle';
    const { rows } = await pool.query<{ wallet_id: string; institution_id: string }>(
      `SELECT w.wallet_id, w.institution_id FROM wallets w JOIN coins c ON c.wallet_id = w.wallet_id
       WHERE w.custodial AND c.spent_by IS NULL AND c.claimed_by IS NULL AND c.height IS NOT NULL AND c.released
         AND NOT EXISTS (SELECT FROM lineages l
           WHERE l.wallet_id = w.wallet_id AND l.consolidates AND l.status IN ('planned', 'offered'))
       GROUP BY w.wallet_id, w.institution_id HAVING count(*) >= $1
       ORDER BY count(*) DESC, w.wallet_id LIMIT ${WALLETS_MAX}`,
      [consolidation.coinsMin + consolidation.coinsKept],
    );
    if (rows.length === 0) return 'idle';
    const outcomes = await this.#store.execute(
      rows.map((row) => {
        const request = { lineageId: runtime.id(), walletId: row.wallet_id, institutionId: row.institution_id };
        return { body: { type: 'consolidate', request }, cause: ownCause(this.#env, request.lineageId) };
      }),
    );
    for (const outcome of outcomes) if (outcome.kind === 'failed') throw outcome.error;
    return 'progress';
  }
}
