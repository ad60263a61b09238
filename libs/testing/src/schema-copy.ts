import type pg from 'pg';

/** Tables of a copy stand beside those that they are of. */
const PREFIX = 'backup_of_';

interface Trigger {
  readonly table: string;
  readonly name: string;
}

/** What a backup of one service's schema does, without the programs that Postgres brings for it: rows, as they were at one moment. */
export class SchemaCopy {
  readonly #pool: pg.Pool;
  readonly #schema: string;
  readonly #tables: readonly string[];

  private constructor(pool: pg.Pool, schema: string, tables: readonly string[]) {
    this.#pool = pool;
    this.#schema = schema;
    this.#tables = tables;
  }

  /** `pool` connects as the owner of the schema, or above. */
  static async take(pool: pg.Pool, schema: string): Promise<SchemaCopy> {
    const { rows } = await pool.query<{ name: string }>(
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = $1 AND table_type = 'BASE TABLE'
         AND NOT starts_with(table_name, '${PREFIX}') ORDER BY 1`,
      [schema],
    );
    const tables = rows.map(({ name }) => name);
    const copies = tables.flatMap((table) => [
      `DROP TABLE IF EXISTS "${schema}"."${PREFIX}${table}"`,
      `CREATE TABLE "${schema}"."${PREFIX}${table}" AS TABLE "${schema}"."${table}"`,
    ]);
    await pool.query(['BEGIN ISOLATION LEVEL REPEATABLE READ', ...copies, 'COMMIT'].join('; '));
    return new SchemaCopy(pool, schema, tables);
  }

  /** All rows as they were when the copy was taken. Nobody may work on the schema meanwhile. `pool`: where the first one is closed. */
  async restore(pool: pg.Pool = this.#pool): Promise<void> {
    const { rows: triggers } = await pool.query<Trigger>(
      `SELECT c.relname AS "table", t.tgname AS name FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = $1 AND t.tgenabled = 'A' AND NOT t.tgisinternal`,
      [this.#schema],
    );
    const all = this.#tables.map((table) => `"${this.#schema}"."${table}"`);
    const alter = (change: string): string[] =>
      triggers.map(({ table, name }) => `ALTER TABLE "${this.#schema}"."${table}" ${change} TRIGGER "${name}"`);
    const fill = this.#tables.map(
      (table) =>
        `INSERT INTO "${this.#schema}"."${table}" OVERRIDING SYSTEM VALUE TABLE "${this.#schema}"."${PREFIX}${table}"`,
    );
    await pool.query(
      ['BEGIN', ...alter('DISABLE'), `TRUNCATE ${all.join(', ')}`, ...fill, ...alter('ENABLE ALWAYS'), 'COMMIT'].join(
        '; ',
      ),
    );
  }
}
