import { keptKeysDdl } from './kept-keys.ts';
import { quoteIdentifier } from './session.ts';

export interface EventStoreDdlOptions {
  /** The service's schema. It exists; the owner (who isn't the service) runs the statements. */
  readonly schema: string;
  /** The role that the service runs as. */
  readonly serviceRole: string;
  /** The role that consumers and the relay read published messages as; it gets nothing else. */
  readonly busRole: string;
}

/** The tables that every service's store has (DESIGN 4), with their grants. To be run once, in one transaction. */
export function eventStoreDdl(options: EventStoreDdlOptions): string[] {
  const schema = quoteIdentifier(options.schema);
  const service = quoteIdentifier(options.serviceRole);
  const bus = quoteIdentifier(options.busRole);
  const grants: readonly [string, string][] = [
    ['store_head', 'SELECT, UPDATE (position, hash)'],
    ['stream_states', 'SELECT, INSERT, UPDATE, DELETE'],
    ['published_keys', 'SELECT, INSERT, UPDATE'],
    ['inbox_keys', 'SELECT, INSERT, UPDATE'],
    ['parked_messages', 'SELECT, INSERT, UPDATE'],
    ['idempotency_keys', 'SELECT, INSERT, DELETE'],
    ['timers', 'SELECT, INSERT, UPDATE, DELETE'],
    ['leases', 'SELECT, INSERT, UPDATE'],
    ['consumer_cursors', 'SELECT, INSERT, UPDATE'],
    ['relay_progress', 'SELECT, INSERT, UPDATE'],
  ];
  return [
    `REVOKE ALL ON SCHEMA ${schema} FROM PUBLIC`,
    `GRANT USAGE ON SCHEMA ${schema} TO ${service}, ${bus}`,
    ...[...logTables(schema), ...inputTables(schema), ...workerTables(schema)],
    `INSERT INTO ${schema}.store_head (position, hash, epoch) VALUES (0, decode(repeat('00', 32), 'hex'), 1)`,
    ...refuseChangeDdl(schema),
    ...insertOnlyDdl({ ...options, table: 'events' }),
    ...insertOnlyDdl({ ...options, table: 'published_messages' }),
    ...grants.map(([table, rights]) => `GRANT ${rights} ON ${schema}.${table} TO ${service}`),
    `GRANT SELECT ON ${schema}.published_messages TO ${bus}`,
    ...keptKeysDdl(schema),
    ...beginEpochDdl(schema, service),
  ];
}

/**
 * Makes a table insert-only for the service, twice: by its grants, and by a trigger that only the owner could disable. To be run after
 * {@link eventStoreDdl}, whose function it uses.
 */
export function insertOnlyDdl(options: {
  readonly schema: string;
  readonly table: string;
  readonly serviceRole: string;
}): string[] {
  const schema = quoteIdentifier(options.schema);
  const table = `${schema}.${quoteIdentifier(options.table)}`;
  return [
    `CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION ${schema}.refuse_change()`,
    // ALWAYS: not even a session that plays replica gets past it.
    `ALTER TABLE ${table} ENABLE ALWAYS TRIGGER insert_only`,
    `GRANT SELECT, INSERT ON ${table} TO ${quoteIdentifier(options.serviceRole)}`,
  ];
}

function refuseChangeDdl(schema: string): string[] {
  return [
    `CREATE FUNCTION ${schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $body$
      BEGIN
        RAISE EXCEPTION '%.% is insert-only: % refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
      END $body$`,
    `REVOKE ALL ON FUNCTION ${schema}.refuse_change() FROM PUBLIC`,
  ];
}

/** The service can go on to a later epoch, and never back. */
function beginEpochDdl(schema: string, service: string): string[] {
  return [
    `CREATE FUNCTION ${schema}.begin_epoch(next integer) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${schema} AS $body$
      BEGIN
        UPDATE ${schema}.store_head SET epoch = next WHERE epoch < next;
        IF NOT FOUND THEN RAISE EXCEPTION 'epoch % is over', next USING ERRCODE = 'restrict_violation'; END IF;
      END $body$`,
    `REVOKE ALL ON FUNCTION ${schema}.begin_epoch(integer) FROM PUBLIC`,
    `GRANT EXECUTE ON FUNCTION ${schema}.begin_epoch(integer) TO ${service}`,
  ];
}

function logTables(schema: string): string[] {
  return [
    `CREATE TABLE ${schema}.store_head (
      single boolean PRIMARY KEY DEFAULT true CHECK (single),
      position bigint NOT NULL, hash bytea NOT NULL, epoch integer NOT NULL)`,
    `CREATE TABLE ${schema}.events (
      position bigint PRIMARY KEY, stream text NOT NULL, version integer NOT NULL, event_id uuid NOT NULL, type text NOT NULL,
      schema_version integer NOT NULL, epoch integer NOT NULL, occurred_at bigint NOT NULL, recorded_at bigint NOT NULL,
      actor_kind text NOT NULL, actor_id text NOT NULL, institutions text[] NOT NULL, causation_id text NOT NULL, correlation_id text NOT NULL,
      traceparent text, data text NOT NULL, hash bytea NOT NULL, UNIQUE (stream, version))`,
    // The current state of each stream, written with its events: derived, can be rebuilt. The fill factor leaves room for updates in place.
    `CREATE TABLE ${schema}.stream_states (stream text PRIMARY KEY, version integer NOT NULL, state text NOT NULL) WITH (fillfactor = 80)`,
    `CREATE TABLE ${schema}.published_messages (
      position bigint NOT NULL, ordinal integer NOT NULL, topic text NOT NULL, ordering_key text NOT NULL, sequence bigint NOT NULL,
      headers text NOT NULL, payload bytea NOT NULL,
      PRIMARY KEY (topic, position, ordinal), UNIQUE (topic, ordering_key, sequence))`,
    `CREATE TABLE ${schema}.published_keys (
      topic text NOT NULL, ordering_key text NOT NULL, last_sequence bigint NOT NULL, previous bigint NOT NULL DEFAULT 0,
      PRIMARY KEY (topic, ordering_key)) WITH (fillfactor = 80)`,
  ];
}

function inputTables(schema: string): string[] {
  return [
    `CREATE TABLE ${schema}.inbox_keys (
      topic text NOT NULL, ordering_key text NOT NULL, last_sequence bigint NOT NULL, parked_at bigint, cause text,
      PRIMARY KEY (topic, ordering_key)) WITH (fillfactor = 80)`,
    `CREATE TABLE ${schema}.parked_messages (
      topic text NOT NULL, ordering_key text NOT NULL, sequence bigint NOT NULL, headers text NOT NULL, payload bytea NOT NULL,
      parked_at bigint NOT NULL, cause text NOT NULL,
      resolution text CHECK (resolution IN ('replayed', 'skipped')), resolved_at bigint, resolved_by text, reason text,
      PRIMARY KEY (topic, ordering_key, sequence))`,
    `CREATE INDEX parked_messages_waiting ON ${schema}.parked_messages (topic, ordering_key, sequence) WHERE resolution IS NULL`,
    `CREATE TABLE ${schema}.idempotency_keys (
      principal text NOT NULL, rpc text NOT NULL, key text NOT NULL, fields text NOT NULL, resource_id text NOT NULL, claimed_at bigint NOT NULL,
      PRIMARY KEY (principal, rpc, key))`,
  ];
}

function workerTables(schema: string): string[] {
  return [
    // fire_at is due_at until firing fails; then it is put off, and `cause` says why.
    `CREATE TABLE ${schema}.timers (
      stream text NOT NULL, kind text NOT NULL, id text NOT NULL, due_at bigint NOT NULL, fire_at bigint NOT NULL,
      attempts integer NOT NULL DEFAULT 0, cause text, PRIMARY KEY (stream, kind, id)) WITH (fillfactor = 80)`,
    `CREATE INDEX timers_due ON ${schema}.timers (fire_at)`,
    `CREATE TABLE ${schema}.leases (name text PRIMARY KEY, holder text NOT NULL, fencing bigint NOT NULL, expires_at bigint NOT NULL)`,
    `CREATE TABLE ${schema}.consumer_cursors (
      topic text PRIMARY KEY, position bigint NOT NULL, ordinal integer NOT NULL, epoch integer NOT NULL) WITH (fillfactor = 50)`,
    // Per Kafka cluster: a new one is sent everything.
    `CREATE TABLE ${schema}.relay_progress (
      cluster_id text PRIMARY KEY, position bigint NOT NULL, ordinal integer NOT NULL) WITH (fillfactor = 50)`,
  ];
}
