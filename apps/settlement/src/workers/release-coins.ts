import type { Worker } from '@finality/kernel';
import type { SettlementEnv, SettlementReader, SettlementStore } from '../env.ts';
import type { RecoveryGate } from '../recovery-gate.ts';
import { lineageStream } from '../store/streams.ts';
import { ownCause } from './cause.ts';

const LINEAGES_MAX = 50;
const POLL_MS = 1_000;
/** What a reorg past finality has overtaken is asked for again, but not all the time. */
const RETRY_MS = 60_000;

/** Coins whose release two operators have confirmed: the signer is told, and then they are free. */
export class ReleaseCoins implements Worker {
  readonly name = 'settlement release coins';
  readonly pollMs = POLL_MS;
  readonly #env: SettlementEnv;
  readonly #store: SettlementStore;
  readonly #reader: SettlementReader;
  readonly #gate: RecoveryGate;
  /** When each was asked for last. In memory: after a restart everything is asked for at once. */
  readonly #askedAt = new Map<string, number>();

  constructor(env: SettlementEnv, store: SettlementStore, reader: SettlementReader, gate: RecoveryGate) {
    this.#env = env;
    this.#store = store;
    this.#reader = reader;
    this.#gate = gate;
  }

  async step(): Promise<'progress' | 'idle'> {
    if (!this.#gate.isOpen) return 'idle';
    const { pool, runtime } = this.#env;
    for (const [id, at] of this.#askedAt) if (at + RETRY_MS <= runtime.now()) this.#askedAt.delete(id);
    const { rows } = await pool.query<{ lineage_id: string }>(
      `SELECT lineage_id FROM lineages WHERE releasing AND NOT lineage_id = ANY($1::text[])
       ORDER BY planned_position LIMIT ${LINEAGES_MAX}`,
      [[...this.#askedAt.keys()]],
    );
    for (const { lineage_id: lineageId } of rows) await this.#release(lineageId);
    return rows.length === 0 ? 'idle' : 'progress';
  }

  async #release(lineageId: string): Promise<void> {
    const { state: lineage } = await this.#reader.loadState(lineageStream, lineageId);
    if (!('versions' in lineage) || lineage.release?.confirmedBy === undefined) return;
    const { outpoints, proposedBy, confirmedBy, reason } = lineage.release;
    await this.#env.signer.releaseCoins({ lineageId, outpoints: [...outpoints], proposedBy, confirmedBy, reason });
    this.#askedAt.set(lineageId, this.#env.runtime.now());
    const cause = ownCause(this.#env, lineageId);
    const [outcome] = await this.#store.execute([{ body: { type: 'coins_released', lineageId }, cause }]);
    if (outcome?.kind === 'failed') throw outcome.error;
  }
}
