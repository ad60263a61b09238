import { PLATFORM_INSTITUTION_ID, POOL_WALLET_ID } from '@finality/address';
import type { CustodialScriptType } from '@finality/bitcoin';
import type { CauseContext, Runtime, Worker } from '@finality/kernel';
import type { Pool } from 'pg';
import type { Registration } from '../registration.ts';

const WALLETS_PER_STEP_MAX = 20;

export interface WalletKeysOptions {
  readonly registration: Registration;
  readonly pool: Pool;
  readonly runtime: Runtime;
  readonly poolScriptType: CustodialScriptType;
}

/** Sees to it that the pool wallet exists, and gives keys to wallets whose request was cut short by a crash or an absent signer. */
export class WalletKeysWorker implements Worker {
  readonly name = 'address-issuer wallet keys';
  readonly pollMs = 500;
  readonly #options: WalletKeysOptions;
  #poolRequested = false;

  constructor(options: WalletKeysOptions) {
    this.#options = options;
  }

  async step(): Promise<'progress' | 'idle'> {
    const { registration, pool } = this.#options;
    if (!this.#poolRequested) await this.#requestPool();
    const { rows } = await pool.query<{ wallet_id: string }>(
      `SELECT wallet_id FROM wallets WHERE status = 'requested' ORDER BY position LIMIT $1`,
      [WALLETS_PER_STEP_MAX],
    );
    for (const row of rows) await registration.complete(row.wallet_id, this.#cause(row.wallet_id));
    return rows.length > 0 ? 'progress' : 'idle';
  }

  /** Made once; afterwards its script type is what it was made with. */
  async #requestPool(): Promise<void> {
    const { registration, pool, poolScriptType } = this.#options;
    const { rows } = await pool.query('SELECT 1 FROM wallets WHERE wallet_id = $1', [POOL_WALLET_ID]);
    if (rows.length === 0) {
      const request = {
        walletId: POOL_WALLET_ID,
        institutionId: PLATFORM_INSTITUTION_ID,
        kind: 'custodial',
        scriptType: poolScriptType,
        birthdayHeight: 0,
      } as const;
      await registration.request(request, this.#cause(POOL_WALLET_ID));
    }
    this.#poolRequested = true;
  }

  #cause(walletId: string): CauseContext {
    const { runtime } = this.#options;
    const actor = { kind: 'service', id: 'address-issuer' } as const;
    return { actor, occurredAt: runtime.now(), correlationId: walletId, causationId: runtime.id() };
  }
}
