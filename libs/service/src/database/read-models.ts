import { DataSource, type EntitySchema, type ValueTransformer } from 'typeorm';
import { sqlName } from './roles.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const CONNECTIONS_MAX = 4;

export interface ReadModelOptions {
  readonly schema: string;
  readonly entities: readonly (EntitySchema | (new () => object))[];
  readonly applicationName: string;
  readonly connectionsMax?: number;
}

/** TypeORM for list queries, with the service's own role; the tables are made by migrations, never synchronised. Call `destroy()` at the end. */
export async function createReadModels(url: string, options: ReadModelOptions): Promise<DataSource> {
  const source = new DataSource({
    type: 'postgres',
    url,
    schema: sqlName(options.schema),
    entities: [...options.entities],
    applicationName: options.applicationName,
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    poolSize: options.connectionsMax ?? CONNECTIONS_MAX,
    installExtensions: false,
    synchronize: false,
    logging: false,
  });
  return source.initialize();
}

/** `{ type: 'bigint', transformer: bigintColumn }`: exact, where TypeORM gives strings. */
export const bigintColumn: ValueTransformer = {
  from: (stored: string | bigint | null | undefined): bigint | null =>
    stored === null || stored === undefined ? null : BigInt(stored),
  to: (value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value),
};
