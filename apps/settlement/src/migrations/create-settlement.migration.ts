import { ledgerDdl } from '@finality/ledger-store';
import { bankBookingTables } from '../projections/bank-bookings.ts';
import { headAnchorTables } from '../projections/head-anchors.ts';
import { defaultTables } from '../projections/defaults.ts';
import { proposalTables } from '../projections/proposals.ts';
import { rateTables } from '../projections/rates.ts';
import type { SchemaRoles } from '@finality/service';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export function createSettlement(roles: SchemaRoles): new () => MigrationInterface {
  // Counted up when the ids of transfers changed: a database with the former ones is refused (ADR 38).
  return class CreateSettlement1763700000002 implements MigrationInterface {
    readonly name = 'CreateSettlement1763700000002';

    async up(runner: QueryRunner): Promise<void> {
      for (const statement of settlementDdl({ ...roles, serviceRole: roles.service })) await runner.query(statement);
    }

    down(): Promise<void> {
      return Promise.reject(new Error('what happened is kept'));
    }
  };
}

/** The ledger, and the projections that the batches of this service write: derived from its events, so they may be changed and rebuilt. */
export function settlementDdl(options: { readonly schema: string; readonly serviceRole: string }): readonly string[] {
  const { schema, serviceRole } = options;
  return [
    ...ledgerDdl(options),
    ...tables(schema),
    ...bankBookingTables(schema),
    ...rateTables(schema),
    ...proposalTables(schema),
    ...headAnchorTables(schema),
    ...defaultTables(schema),
    ...PROJECTIONS.map((table) => `GRANT SELECT, INSERT, UPDATE, DELETE ON ${schema}.${table} TO ${serviceRole}`),
  ];
}

const PROJECTIONS = [
  'settlements',
  'institutions',
  'wallets',
  'destinations',
  'addresses',
  'coins',
  'previous_transactions',
  'lineages',
  'head_anchors',
  'lineage_versions',
  'deposits',
  'suspense',
  'maturities',
  'bank_bookings',
  'rates',
  'proposals',
  'windows',
  'defaults',
  'window_positions',
];

function tables(schema: string): readonly string[] {
  return [
    `CREATE TABLE ${schema}.settlements (
      settlement_id text PRIMARY KEY, from_institution text NOT NULL, to_institution text NOT NULL, status text NOT NULL, waits_for_coins boolean NOT NULL,
      mode text NOT NULL, amount bigint NOT NULL, exchanges boolean NOT NULL, queue_rank smallint NOT NULL, payer_claim text NOT NULL, lineage_id text, created_at bigint NOT NULL, created_position bigint NOT NULL, updated_position bigint NOT NULL) WITH (fillfactor = 80)`,
    `CREATE INDEX settlements_from ON ${schema}.settlements (from_institution, created_position)`,
    `CREATE INDEX settlements_to ON ${schema}.settlements (to_institution, created_position)`,
    `CREATE INDEX settlements_created ON ${schema}.settlements (created_position)`,
    `CREATE INDEX settlements_queued ON ${schema}.settlements (payer_claim, queue_rank, updated_position) WHERE status = 'queued'`,
    `CREATE INDEX settlements_unscreened ON ${schema}.settlements (created_position) WHERE status IN ('received', 'screening')`,
    `CREATE INDEX settlements_queued_from ON ${schema}.settlements (from_institution) WHERE status = 'queued'`,
    `CREATE INDEX settlements_queued_to ON ${schema}.settlements (to_institution) WHERE status = 'queued'`,
    `CREATE TABLE ${schema}.institutions (
      institution_id text PRIMARY KEY, name text NOT NULL, status text NOT NULL, watched jsonb, created_position bigint NOT NULL)`,
    `CREATE INDEX institutions_watched ON ${schema}.institutions (institution_id) WHERE watched IS NOT NULL`,
    `CREATE TABLE ${schema}.destinations (destination_id text PRIMARY KEY, institution_id text NOT NULL, script text,
      address text, wallet_id text, status text NOT NULL, usable_at bigint NOT NULL, CHECK ((script IS NULL) <> (wallet_id IS NULL)))`,
    `CREATE INDEX destinations_wallet ON ${schema}.destinations (wallet_id, usable_at) WHERE wallet_id IS NOT NULL AND status = 'listed'`,
    `CREATE TABLE ${schema}.wallets (
      wallet_id text PRIMARY KEY, institution_id text NOT NULL, script_type text NOT NULL, custodial boolean NOT NULL, scanning boolean NOT NULL, descriptor text, number bigint GENERATED ALWAYS AS IDENTITY)`,
    `CREATE INDEX wallets_institution ON ${schema}.wallets (institution_id, number)`,
    `CREATE INDEX wallets_scanning ON ${schema}.wallets (wallet_id) WHERE scanning`,
    `CREATE TABLE ${schema}.addresses (
      script text PRIMARY KEY, address text NOT NULL, wallet_id text NOT NULL, institution_id text NOT NULL, purpose text NOT NULL,
      branch integer NOT NULL, index integer NOT NULL)`,
    `CREATE TABLE ${schema}.coins (
      outpoint text PRIMARY KEY, txid text NOT NULL, wallet_id text NOT NULL, custodial boolean NOT NULL, value_sats bigint NOT NULL CHECK (value_sats >= 0), script text NOT NULL,
      branch integer NOT NULL, index integer NOT NULL, height integer, life integer NOT NULL, spent_by text, spends integer NOT NULL,
      claimed_by text, released boolean NOT NULL, sources text NOT NULL, former_claims text NOT NULL) WITH (fillfactor = 80)`,
    `CREATE INDEX coins_txid ON ${schema}.coins (txid)`,
    `CREATE INDEX coins_height ON ${schema}.coins (height) WHERE height IS NOT NULL`,
    `CREATE INDEX coins_spent_by ON ${schema}.coins (spent_by) WHERE spent_by IS NOT NULL`,
    `CREATE INDEX coins_free ON ${schema}.coins (wallet_id) WHERE spent_by IS NULL AND claimed_by IS NULL AND height IS NOT NULL AND released`,
    `CREATE INDEX coins_claimed ON ${schema}.coins (claimed_by) WHERE claimed_by IS NOT NULL AND spent_by IS NULL`,
    `CREATE TABLE ${schema}.lineages (
      lineage_id text PRIMARY KEY, wallet_id text NOT NULL, consolidates boolean NOT NULL, status text NOT NULL, offer_at bigint, to_sign boolean NOT NULL, releasing boolean NOT NULL,
      planned_position bigint NOT NULL) WITH (fillfactor = 80)`,
    `CREATE INDEX lineages_to_offer ON ${schema}.lineages (offer_at) WHERE offer_at IS NOT NULL`,
    `CREATE INDEX lineages_to_sign ON ${schema}.lineages (planned_position) WHERE to_sign`,
    `CREATE INDEX lineages_releasing ON ${schema}.lineages (planned_position) WHERE releasing`,
    `CREATE INDEX lineages_consolidating ON ${schema}.lineages (wallet_id) WHERE consolidates AND status IN ('planned', 'offered')`,
    `CREATE INDEX lineages_open ON ${schema}.lineages (wallet_id) WHERE status = 'planned'`,
    `CREATE TABLE ${schema}.previous_transactions (txid text PRIMARY KEY, raw bytea NOT NULL)`,
    `CREATE TABLE ${schema}.lineage_versions (txid text PRIMARY KEY, lineage_id text NOT NULL)`,
    `CREATE INDEX lineage_versions_lineage ON ${schema}.lineage_versions (lineage_id)`,
    `CREATE TABLE ${schema}.deposits (
      outpoint text PRIMARY KEY, txid text NOT NULL, wallet_id text NOT NULL, script text NOT NULL, status text NOT NULL, suspense text,
      institution_id text, created_position bigint NOT NULL) WITH (fillfactor = 80)`,
    `CREATE INDEX deposits_institution ON ${schema}.deposits (institution_id, created_position)`,
    `CREATE INDEX deposits_created ON ${schema}.deposits (created_position)`,
    `CREATE INDEX deposits_txid ON ${schema}.deposits (txid)`,
    `CREATE INDEX deposits_unissued ON ${schema}.deposits (script) WHERE suspense = 'unissued_address'`,
    `CREATE INDEX deposits_unannounced ON ${schema}.deposits (wallet_id) WHERE suspense = 'unissued_address'`,
    `CREATE TABLE ${schema}.suspense (
      kind text, item text, number bigint GENERATED ALWAYS AS IDENTITY, amount_sats bigint NOT NULL, wallet_id text NOT NULL, reason text NOT NULL,
      PRIMARY KEY (kind, item))`,
    `CREATE INDEX suspense_number ON ${schema}.suspense (number)`,
    `CREATE TABLE ${schema}.windows (
      window_id text PRIMARY KEY, status text NOT NULL, institution_a text, institution_b text, opened_position bigint NOT NULL)`,
    `CREATE INDEX windows_opened ON ${schema}.windows (opened_position)`,
    `CREATE TABLE ${schema}.window_positions (
      window_id text, institution_id text, unit text, paid numeric NOT NULL, received numeric NOT NULL, paid_count bigint NOT NULL, received_count bigint NOT NULL,
      PRIMARY KEY (window_id, institution_id, unit)) WITH (fillfactor = 50)`,
    `CREATE TABLE ${schema}.maturities (due_height integer NOT NULL, kind text NOT NULL, id text NOT NULL, PRIMARY KEY (due_height, kind, id))`,
  ];
}
