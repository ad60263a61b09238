import type { Worker } from '@finality/kernel';
import type { SettlementEnv, SettlementReader, SettlementStore } from '../env.ts';
import type { RecoveryGate } from '../recovery-gate.ts';
import { causesOfWork } from './cause.ts';

const QUEUED_MAX = 200;
const POLL_MS = 1_000;

/** Of each claim that pays, whoever comes after waits behind it; of clearing balances, only where there is enough for it. Whether the maker of an exchange has enough, too, is found out by trying. */
const FIRST_IN_LINE = `
  SELECT settlement_id FROM (
    SELECT DISTINCT ON (payer_claim) settlement_id, payer_claim, mode, amount, updated_position FROM settlements WHERE status = 'queued'
    ORDER BY payer_claim, queue_rank, updated_position) line
  LEFT JOIN ledger_accounts a ON a.id = line.payer_claim || '/available'
  WHERE line.mode <> 'centralized' OR a.credits_posted - a.debits_posted - a.debits_pending >= line.amount - a.overdraft
  ORDER BY line.updated_position LIMIT $1`;

/**
 * Settlements that wait for liquidity are tried again, in the order of their line for each claim that pays, whenever something has
 * happened in the log, or a wallet has been caught up with. A try that changes nothing leaves no trace, so this comes to rest.
 */
export class ReleaseQueued implements Worker {
  readonly name = 'settlement release queued';
  readonly pollMs = POLL_MS;
  readonly #env: SettlementEnv;
  readonly #store: SettlementStore;
  readonly #reader: SettlementReader;
  readonly #gate: RecoveryGate;
  #triedAt = '';

  constructor(env: SettlementEnv, store: SettlementStore, reader: SettlementReader, gate: RecoveryGate) {
    this.#env = env;
    this.#store = store;
    this.#reader = reader;
    this.#gate = gate;
  }

  async step(): Promise<'progress' | 'idle'> {
    if (!this.#gate.isOpen) return 'idle';
    const { position } = await this.#reader.head();
    const moment = `${position} ${await this.#walletsScanning()}`;
    if (moment === this.#triedAt) return 'idle';
    const { rows } = await this.#env.pool.query<{ settlement_id: string }>(FIRST_IN_LINE, [QUEUED_MAX]);
    this.#triedAt = moment;
    if (rows.length === 0) return 'idle';
    const settlementIds = rows.map((row) => row.settlement_id);
    const causes = await causesOfWork(this.#env, settlementIds);
    const outcomes = await this.#store.execute(
      settlementIds.map((settlementId, i) => ({
        body: { type: 'retry_reservation', settlementId },
        cause: causes[i]!,
      })),
    );
    for (const outcome of outcomes) if (outcome.kind === 'failed') throw outcome.error;
    return 'progress';
  }

  /** That leaves no event here. */
  async #walletsScanning(): Promise<string> {
    const { rows } = await this.#env.pool.query<{ ids: string }>(
      `SELECT coalesce(string_agg(wallet_id, ' ' ORDER BY wallet_id), '') AS ids FROM wallets WHERE scanning`,
    );
    return rows[0]!.ids;
  }
}
