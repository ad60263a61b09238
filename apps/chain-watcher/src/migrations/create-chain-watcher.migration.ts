import type { SchemaRoles } from '@finality/service';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export function createChainWatcher(roles: SchemaRoles): new () => MigrationInterface {
  return class CreateChainWatcher1763700000001 implements MigrationInterface {
    readonly name = 'CreateChainWatcher1763700000001';

    async up(runner: QueryRunner): Promise<void> {
      for (const statement of chainWatcherDdl({ ...roles, serviceRole: roles.service })) await runner.query(statement);
    }

    down(): Promise<void> {
      return Promise.reject(new Error('what the chain said is kept'));
    }
  };
}

/** What is looked up for every block: all derived from the events, so the service may change it. */
export function chainWatcherDdl(options: { readonly schema: string; readonly serviceRole: string }): readonly string[] {
  const { schema, serviceRole } = options;
  return [
    ...tables.map(([name, columns]) => `CREATE TABLE ${schema}.${name} (${columns})`),
    `CREATE UNIQUE INDEX headers_main ON ${schema}.headers (height) WHERE on_main`,
    `CREATE INDEX transactions_block ON ${schema}.transactions (block_hash) WHERE block_hash IS NOT NULL`,
    `CREATE INDEX transactions_pending ON ${schema}.transactions (status) WHERE status <> 'confirmed'`,
    `CREATE INDEX broadcasts_due ON ${schema}.broadcasts (due_at) WHERE wanted`,
    ...tables.map(([name]) => `GRANT SELECT, INSERT, UPDATE, DELETE ON ${schema}.${name} TO ${serviceRole}`),
  ];
}

/** Whoever keeps a copy of the table reads on from the last row that it has: rows are only added, and those that come later have higher ones. */
const ORDINAL = 'ordinal bigint GENERATED ALWAYS AS IDENTITY UNIQUE';

const tables: readonly (readonly [name: string, columns: string])[] = [
  [
    'headers',
    `hash text PRIMARY KEY, height integer NOT NULL, previous_hash text NOT NULL, time bigint NOT NULL,
     chain_work numeric NOT NULL, on_main boolean NOT NULL`,
  ],
  [
    'watched_wallets',
    `wallet_id text PRIMARY KEY, custodial boolean NOT NULL, external_descriptor text NOT NULL, internal_descriptor text NOT NULL,
     birthday_height integer NOT NULL, created_at bigint, external_wanted integer NOT NULL, internal_wanted integer NOT NULL,
     external_below integer NOT NULL, internal_below integer NOT NULL, rescan_next integer, rescan_through integer`,
  ],
  [
    'watched_scripts',
    `script text PRIMARY KEY, wallet_id text NOT NULL, branch smallint NOT NULL, index integer NOT NULL, ${ORDINAL},
     UNIQUE (wallet_id, branch, index)`,
  ],
  // `data`: the transaction as far as it concerns us, its watched outputs included. `since`: in the mempool, milliseconds.
  [
    'transactions',
    `txid text PRIMARY KEY, status text NOT NULL, height integer, block_hash text, by_txid text, by_block_hash text,
     since bigint, data text NOT NULL, ancestor_inputs text NOT NULL`,
  ],
  // What a transaction of ours spends, what the unconfirmed ones that it needs spend, and its own outputs to us.
  ['transaction_outpoints', `outpoint text NOT NULL, txid text NOT NULL, ${ORDINAL}, PRIMARY KEY (outpoint, txid)`],
  // due_at, attempts, last_answer and conflict aren't history: losing them costs one more broadcast.
  [
    'broadcasts',
    `txid text PRIMARY KEY, lineage_id text NOT NULL, version integer NOT NULL, raw bytea NOT NULL, wanted boolean NOT NULL,
     announced boolean NOT NULL, due_at bigint NOT NULL, attempts integer NOT NULL, last_answer text, conflict text`,
  ],
];
