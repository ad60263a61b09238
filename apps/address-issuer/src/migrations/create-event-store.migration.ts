import { eventStoreDdl } from '@finality/event-store';
import type { SchemaRoles } from '@finality/service';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export function createEventStore(roles: SchemaRoles): new () => MigrationInterface {
  return class CreateEventStore1763700000000 implements MigrationInterface {
    readonly name = 'CreateEventStore1763700000000';

    async up(runner: QueryRunner): Promise<void> {
      const options = { schema: roles.schema, serviceRole: roles.service, busRole: roles.bus };
      for (const statement of eventStoreDdl(options)) await runner.query(statement);
    }

    down(): Promise<void> {
      return Promise.reject(new Error('what happened is kept'));
    }
  };
}
