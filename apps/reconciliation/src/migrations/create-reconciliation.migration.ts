import type { SchemaRoles } from '@finality/service';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export function createReconciliation(roles: SchemaRoles): new () => MigrationInterface {
  return class CreateReconciliation1763700000001 implements MigrationInterface {
    readonly name = 'CreateReconciliation1763700000001';

    async up(runner: QueryRunner): Promise<void> {
      for (const statement of reconciliationDdl({ ...roles, serviceRole: roles.service }))
        await runner.query(statement);
    }

    down(): Promise<void> {
      return Promise.reject(new Error('what was reported is kept'));
    }
  };
}

/** The index of our wallets' outputs, read from the node; and reports, to be listed. All of it can be built again. */
export function reconciliationDdl(options: {
  readonly schema: string;
  readonly serviceRole: string;
}): readonly string[] {
  const { schema, serviceRole } = options;
  return [
    ...tables.map(([name, columns]) => `CREATE TABLE ${schema}.${name} (${columns})`),
    `CREATE INDEX index_outputs_height ON ${schema}.index_outputs (height)`,
    `CREATE INDEX index_paid_height ON ${schema}.index_paid (height)`,
    `CREATE INDEX index_outputs_spent ON ${schema}.index_outputs (spent_height) WHERE spent_height IS NOT NULL`,
    ...tables.map(([name]) => `GRANT SELECT, INSERT, UPDATE, DELETE ON ${schema}.${name} TO ${serviceRole}`),
  ];
}

const tables: readonly (readonly [name: string, columns: string])[] = [
  // `rescan_from`: some of the scripts wanted may have been paid in blocks from there on that were read without them.
  [
    'index_wallets',
    `wallet_id text PRIMARY KEY, custodial boolean NOT NULL, external_descriptor text NOT NULL,
     internal_descriptor text NOT NULL, birthday_height integer NOT NULL, external_wanted integer NOT NULL,
     internal_wanted integer NOT NULL, external_below integer NOT NULL, internal_below integer NOT NULL,
     rescan_from integer`,
  ],
  // Highest index issued; kept apart, as nothing is promised between topics: the wallet may come later.
  [
    'index_issued',
    'wallet_id text NOT NULL, branch smallint NOT NULL, highest integer NOT NULL, PRIMARY KEY (wallet_id, branch)',
  ],
  [
    'index_scripts',
    'script text PRIMARY KEY, wallet_id text NOT NULL, branch smallint NOT NULL, index integer NOT NULL',
  ],
  ['index_blocks', 'height integer PRIMARY KEY, hash text NOT NULL'],
  [
    'index_outputs',
    `outpoint text PRIMARY KEY, wallet_id text NOT NULL, value_sats bigint NOT NULL, script text NOT NULL,
     height integer NOT NULL, spent_height integer, spent_by text`,
  ],
  // What transactions that spend from our wallets pay to others: destinations of payees are there.
  [
    'index_paid',
    'outpoint text PRIMARY KEY, value_sats bigint NOT NULL, script text NOT NULL, height integer NOT NULL',
  ],
  ['reports', 'report_id text PRIMARY KEY, position bigint NOT NULL UNIQUE, report bytea NOT NULL'],
];
