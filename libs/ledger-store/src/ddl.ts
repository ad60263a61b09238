import { insertOnlyDdl } from '@finality/event-store';
import { checkpointDdl } from './checkpoints.ts';

export interface LedgerDdlOptions {
  /** The service's schema, whose event store tables exist already (their `refuse_change` function is used). */
  readonly schema: string;
  readonly serviceRole: string;
}

/**
 * The ledger's tables, made by their owner. Transfers are the truth and insert-only for the service by grants and by trigger; balances of
 * accounts derive from them ({@link verifyLedger} proves it). Account totals are `numeric`: turnover, unlike a balance, has no bound that
 * an int64 is sure to hold. Each transfer is an entry with a number and a hash (`entryHash`); they and the head make the chain that {@link verifyEntries} follows.
 */
export function ledgerDdl(options: LedgerDdlOptions): readonly string[] {
  const schema = `"${options.schema}"`;
  const accounts = `${schema}.ledger_accounts`;
  const transfers = `${schema}.ledger_transfers`;
  return [
    `CREATE TABLE ${accounts} (
       number integer PRIMARY KEY,
       id text NOT NULL UNIQUE,
       unit text NOT NULL,
       limit_kind text NOT NULL
         CHECK (limit_kind IN ('none', 'debits_must_not_exceed_credits', 'credits_must_not_exceed_debits')),
       overdraft bigint NOT NULL DEFAULT 0
         CHECK (overdraft >= 0 AND (overdraft = 0 OR limit_kind = 'debits_must_not_exceed_credits')),
       debits_posted numeric(38, 0) NOT NULL CHECK (debits_posted >= 0),
       credits_posted numeric(38, 0) NOT NULL CHECK (credits_posted >= 0),
       debits_pending numeric(38, 0) NOT NULL CHECK (debits_pending >= 0),
       credits_pending numeric(38, 0) NOT NULL CHECK (credits_pending >= 0),
       updated_position bigint NOT NULL,
       updated_at bigint NOT NULL
     ) WITH (fillfactor = 60)`,
    // Accounts go by number here. There are no foreign keys: they cost a tenth of an insert, and what is referred to has been loaded in the same
    // transaction, under the lock, from tables that nothing is ever deleted from. Verification looks for what is referred to and missing.
    `CREATE TABLE ${transfers} (
       id bytea PRIMARY KEY CHECK (octet_length(id) = 32),
       number bigint NOT NULL UNIQUE,
       position bigint NOT NULL,
       kind text NOT NULL CHECK (kind IN ('single', 'pending', 'post', 'void', 'correction')),
       debit integer NOT NULL,
       credit integer NOT NULL CHECK (credit <> debit),
       amount bigint NOT NULL CHECK (amount > 0),
       pending_id bytea CHECK ((pending_id IS NOT NULL) = (kind IN ('post', 'void'))),
       corrects bytea CHECK ((corrects IS NOT NULL) = (kind = 'correction')),
       purpose text NOT NULL,
       object text NOT NULL,
       life integer NOT NULL CHECK (life >= 1),
       settlement_id text,
       recorded_at bigint NOT NULL,
       hash bytea NOT NULL CHECK (octet_length(hash) = 32)
     )`,
    // How many entries and accounts there are, the chain over all entries, and the position of the last one's batch. What is saved sets the number
    // to null when it doesn't fit what is stored: that it can't be null is what refuses it.
    `CREATE TABLE ${schema}.ledger_head (
       single boolean PRIMARY KEY DEFAULT true CHECK (single),
       number bigint NOT NULL, chain bytea NOT NULL CHECK (octet_length(chain) = 32), position bigint NOT NULL,
       accounts integer NOT NULL) WITH (fillfactor = 50)`,
    `INSERT INTO ${schema}.ledger_head (number, chain, position, accounts) VALUES (0, decode(repeat('00', 32), 'hex'), 0, 0)`,
    // Sealed and signed: from the events that say so.
    `CREATE TABLE ${schema}.ledger_segments (
       segment integer PRIMARY KEY, epoch integer NOT NULL, previous bytea NOT NULL, first_entry bigint NOT NULL UNIQUE, last_entry bigint NOT NULL UNIQUE,
       root bytea NOT NULL, chain bytea NOT NULL, position bigint NOT NULL, event_hash bytea NOT NULL, sealed_at bigint NOT NULL,
       signature bytea NOT NULL, public_key bytea NOT NULL)`,
    // A pending transfer ends once: the state of a pending transfer is whether this index has it.
    `CREATE UNIQUE INDEX ledger_transfers_resolution ON ${transfers} (pending_id) WHERE pending_id IS NOT NULL`,
    `CREATE INDEX ledger_transfers_debit ON ${transfers} (debit, number)`,
    `CREATE INDEX ledger_transfers_credit ON ${transfers} (credit, number)`,
    ...insertOnlyDdl({ ...options, table: 'ledger_transfers' }),
    ...insertOnlyDdl({ ...options, table: 'ledger_segments' }),
    // Never its number, name, unit or kind of limit: entries rest on them.
    `GRANT SELECT, INSERT, UPDATE (overdraft, debits_posted, credits_posted, debits_pending, credits_pending, updated_position, updated_at)
       ON ${accounts} TO "${options.serviceRole}"`,
    `GRANT SELECT, UPDATE (number, chain, position, accounts) ON ${schema}.ledger_head TO "${options.serviceRole}"`,
    ...checkpointDdl(options),
  ];
}

/** Takes away what {@link ledgerDdl} made. */
export function ledgerDropDdl(options: Pick<LedgerDdlOptions, 'schema'>): readonly string[] {
  const tables = [
    'ledger_checkpoints_head',
    'ledger_checkpoints',
    'ledger_segments',
    'ledger_head',
    'ledger_transfers',
    'ledger_accounts',
  ];
  return tables.map((table) => `DROP TABLE "${options.schema}".${table}`);
}
