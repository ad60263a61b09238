import { insertOnlyDdl } from '@finality/event-store';
import type { SchemaRoles } from '@finality/service';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Versions of lists are kept: a decision names the version that it was made by. */
const INSERT_ONLY = ['labels', 'label_quarantine'];

export function createRisk(roles: SchemaRoles): new () => MigrationInterface {
  return class CreateRisk1763700000001 implements MigrationInterface {
    readonly name = 'CreateRisk1763700000001';

    async up(runner: QueryRunner): Promise<void> {
      const statements = riskDdl({ schema: roles.schema, serviceRole: roles.service });
      for (const statement of statements) await runner.query(statement);
    }

    down(): Promise<void> {
      return Promise.reject(new Error('what was decided is kept'));
    }
  };
}

/** The labels' tables, beside those of the store. */
export function riskDdl({ schema, serviceRole }: { schema: string; serviceRole: string }): readonly string[] {
  return [
    `CREATE TABLE ${schema}.label_lists (name text PRIMARY KEY, version text NOT NULL, position bigint NOT NULL)`,
    `CREATE TABLE ${schema}.labels (
      list text NOT NULL, version text NOT NULL, script_key text NOT NULL, script text NOT NULL, address text NOT NULL,
      category text NOT NULL, label text NOT NULL, source text NOT NULL, listed_on text,
      PRIMARY KEY (script_key, list, version, category))`,
    `CREATE TABLE ${schema}.label_quarantine (
      list text NOT NULL, version text NOT NULL, line integer NOT NULL, text text NOT NULL, reason text NOT NULL,
      PRIMARY KEY (list, version, line))`,
    ...INSERT_ONLY.flatMap((table) => insertOnlyDdl({ schema, table, serviceRole })),
    `GRANT SELECT, INSERT, UPDATE ON ${schema}.label_lists TO ${serviceRole}`,
  ];
}
