import { insertOnlyDdl } from '@finality/event-store';
import type { SchemaRoles } from '@finality/service';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** These can only be added to: what was signed once stays known for ever. */
const INSERT_ONLY = [
  'seeds',
  'accounts',
  'journal',
  'journal_coins',
  'journal_releases',
  'journal_payouts',
  'journal_epochs',
  'used_nonces',
  'signed_heads',
];

export function createSigner(roles: SchemaRoles): new () => MigrationInterface {
  return class CreateSigner1763700000001 implements MigrationInterface {
    readonly name = 'CreateSigner1763700000001';

    async up(runner: QueryRunner): Promise<void> {
      for (const statement of tables(roles.schema)) await runner.query(statement);
      for (const table of INSERT_ONLY) {
        const options = { schema: roles.schema, table, serviceRole: roles.service };
        for (const statement of insertOnlyDdl(options)) await runner.query(statement);
      }
      await runner.query(`GRANT SELECT, INSERT, UPDATE ON ${roles.schema}.indices_highest TO ${roles.service}`);
    }

    down(): Promise<void> {
      return Promise.reject(new Error('what was signed is kept'));
    }
  };
}

/** One seed, as ciphertext: AES-256-GCM with its tag at the end. */
export const seedsDdl = (schema: string): string =>
  `CREATE TABLE ${schema}.seeds (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    network text NOT NULL, scrypt_log_n integer NOT NULL, salt bytea NOT NULL, nonce bytea NOT NULL, ciphertext bytea NOT NULL)`;

function tables(schema: string): readonly string[] {
  return [
    seedsDdl(schema),
    `CREATE TABLE ${schema}.accounts (
      account_index integer PRIMARY KEY CHECK (account_index >= 0), wallet_id text NOT NULL UNIQUE)`,
    // The keys are the promise, whatever the program does: one transaction per version, one lineage per coin and tenure.
    `CREATE TABLE ${schema}.journal (
      lineage_id text NOT NULL, version integer NOT NULL, position bigint NOT NULL UNIQUE, wallet_id text NOT NULL, institution_id text NOT NULL, txid text NOT NULL, anchor text NOT NULL,
      unsigned_transaction bytea NOT NULL, epoch integer NOT NULL, fee_sats bigint NOT NULL, sent_sats bigint NOT NULL,
      signed_at bigint NOT NULL, handed_out boolean NOT NULL, PRIMARY KEY (lineage_id, version))`,
    `CREATE INDEX journal_txid ON ${schema}.journal (txid)`,
    `CREATE INDEX journal_window ON ${schema}.journal (institution_id, signed_at)`,
    `CREATE INDEX journal_epoch ON ${schema}.journal (epoch)`,
    `CREATE TABLE ${schema}.journal_coins (
      outpoint text, tenure integer, lineage_id text NOT NULL, value_sats bigint NOT NULL, PRIMARY KEY (outpoint, tenure))`,
    // Each release ends a tenure: how many there were says whose turn it is.
    `CREATE TABLE ${schema}.journal_releases (outpoint text, tenure integer, lineage_id text NOT NULL, PRIMARY KEY (outpoint, tenure))`,
    `CREATE TABLE ${schema}.journal_epochs (epoch integer PRIMARY KEY)`,
    `CREATE TABLE ${schema}.journal_payouts (
      settlement_id text NOT NULL, lineage_id text NOT NULL, version integer NOT NULL, PRIMARY KEY (settlement_id, lineage_id, version))`,
    // The highest index of each branch that was derived for the issuer or accepted in a transaction; it only grows.
    `CREATE TABLE ${schema}.indices_highest (wallet_id text, branch smallint, highest integer NOT NULL, PRIMARY KEY (wallet_id, branch))`,
    // Of the ledger: these, and no others, may be written into the chain.
    `CREATE TABLE ${schema}.signed_heads (epoch integer, segment integer, hash text NOT NULL, PRIMARY KEY (epoch, segment))`,
    // What a signatory has signed is good once.
    `CREATE TABLE ${schema}.used_nonces (institution_id text, nonce text, PRIMARY KEY (institution_id, nonce))`,
  ];
}
