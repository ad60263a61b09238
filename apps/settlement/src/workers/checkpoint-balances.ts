import type { Worker } from '@finality/kernel';
import { writeCheckpoint } from '@finality/ledger-store';
import { withTransaction } from '@finality/service';
import type { SettlementEnv } from '../env.ts';

const POLL_MS = 1_000;

/** Keeps what accounts stood at, every so many entries, so that a balance at a time needn't add up an account's whole past. */
export class CheckpointBalances implements Worker {
  readonly name = 'settlement checkpoint balances';
  readonly pollMs = POLL_MS;
  readonly #env: SettlementEnv;

  constructor(env: SettlementEnv) {
    this.#env = env;
  }

  async step(): Promise<'progress' | 'idle'> {
    const isWritten = await withTransaction(this.#env.pool, (client) =>
      writeCheckpoint({
        query: async <Row extends object>(text: string, values: readonly unknown[] = []) =>
          (await client.query<Row>(text, [...values])).rows,
      }),
    );
    return isWritten ? 'progress' : 'idle';
  }
}
