import { insertOnlyDdl } from '@finality/event-store';
import type { SchemaRoles } from '@finality/service';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export function createAddresses(roles: SchemaRoles): new () => MigrationInterface {
  return class CreateAddresses1763700000001 implements MigrationInterface {
    readonly name = 'CreateAddresses1763700000001';

    async up(runner: QueryRunner): Promise<void> {
      const { schema, service: serviceRole } = roles;
      for (const statement of tables(schema)) await runner.query(statement);
      for (const table of ['wallets', 'destinations'])
        await runner.query(`GRANT SELECT, INSERT, UPDATE ON ${schema}.${table} TO ${serviceRole}`);
      for (const table of ['wallet_branches', 'addresses', 'address_uses']) {
        for (const statement of insertOnlyDdl({ schema, table, serviceRole })) await runner.query(statement);
      }
    }

    down(): Promise<void> {
      return Promise.reject(new Error('addresses that were issued are kept'));
    }
  };
}

function tables(schema: string): readonly string[] {
  return [
    // Requested ones too: position is that of the request until they are registered.
    `CREATE TABLE ${schema}.wallets (
      wallet_id text PRIMARY KEY, position bigint NOT NULL UNIQUE, institution_id text NOT NULL, kind text NOT NULL, status text NOT NULL,
      script_type text NOT NULL, external text, internal text, birthday_height integer NOT NULL, created_at bigint,
      watched_external integer NOT NULL DEFAULT 0, watched_internal integer NOT NULL DEFAULT 0,
      verified_external integer NOT NULL DEFAULT 0, verified_internal integer NOT NULL DEFAULT 0, scanning boolean NOT NULL, blocked text)`,
    `CREATE INDEX wallets_institution ON ${schema}.wallets (institution_id, position)`,
    `CREATE INDEX wallets_requested ON ${schema}.wallets (position) WHERE status = 'requested'`,
    `CREATE INDEX wallets_unverified ON ${schema}.wallets (position)
      WHERE blocked IS NULL AND (verified_external < watched_external OR verified_internal < watched_internal)`,
    // The first script of a branch stands for all of them: two branches have all scripts in common or none.
    `CREATE TABLE ${schema}.wallet_branches (first_script text PRIMARY KEY, wallet_id text NOT NULL, branch smallint NOT NULL)`,
    // A script, or a wallet, is one destination at most.
    `CREATE TABLE ${schema}.destinations (
      destination_id text PRIMARY KEY, position bigint NOT NULL UNIQUE, institution_id text NOT NULL, place text NOT NULL, address text NOT NULL,
      is_open boolean NOT NULL, nonce text NOT NULL, UNIQUE (institution_id, nonce))`,
    `CREATE INDEX destinations_institution ON ${schema}.destinations (institution_id, position)`,
    `CREATE UNIQUE INDEX destinations_place ON ${schema}.destinations (place) WHERE is_open`,
    // What the program promises, the keys enforce: an index is issued once, a script belongs to one institution.
    `CREATE TABLE ${schema}.addresses (
      address_id text PRIMARY KEY, position bigint NOT NULL UNIQUE, script text NOT NULL UNIQUE, address text NOT NULL, wallet_id text NOT NULL,
      institution_id text NOT NULL, purpose text NOT NULL, label text NOT NULL, external_id text NOT NULL, branch smallint NOT NULL, index integer NOT NULL,
      issued_at bigint NOT NULL, UNIQUE (wallet_id, branch, index))`,
    `CREATE TABLE ${schema}.address_uses (script text PRIMARY KEY, position bigint NOT NULL UNIQUE, wallet_id text NOT NULL,
      branch smallint NOT NULL, index integer NOT NULL, txid text NOT NULL)`,
    `CREATE INDEX addresses_institution ON ${schema}.addresses (institution_id, position)`,
    `CREATE INDEX addresses_label ON ${schema}.addresses (institution_id, label, position) WHERE label <> ''`,
    `CREATE UNIQUE INDEX addresses_external_id ON ${schema}.addresses (institution_id, external_id) WHERE external_id <> ''`,
  ];
}
