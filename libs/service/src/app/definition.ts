import type { DynamicModule, Type } from '@nestjs/common';
import type { ServiceDefinition as GrpcServiceDefinition } from '@grpc/grpc-js';
import type { ServiceName, Topic } from '@finality/contracts';
import type { AnyStreamType, Rebuild, Writer } from '@finality/event-store';
import type { Runtime, Worker } from '@finality/kernel';
import type { ConsumerWorker, MessageDriver } from '@finality/messaging';
import type { Pool } from 'pg';
import type { DataSource, EntitySchema, MigrationInterface } from 'typeorm';
import type { CheckResult } from '../health/health.ts';
import type { InternalService } from '../internal/internal-server.ts';
import type { ServiceMetrics } from '../telemetry/metrics.ts';

/** Nest tokens that every service's module provides or uses. */
export const SERVICE_ENV = Symbol('ServiceEnv');
/** `Worker[]`: the service's background work, its consumer aside. */
export const WORKERS = Symbol('Workers');
/** What other services of ours call: a `ServicePort` of the generated internal service. */
export const INTERNAL_API = Symbol('InternalApi');

/** What a service is given to live on. Ports meet adapters in the app's module; nothing reads the environment behind this. */
export interface ServiceEnv<Config = unknown> {
  readonly config: Config;
  readonly runtime: Runtime;
  /** The service's own role on its own schema (also the search_path). */
  readonly pool: Pool;
  /** TypeORM with the same role, for list queries over the service's entities. */
  readonly readModels: DataSource;
  readonly driver: MessageDriver;
  /** Where several processes share the service's store: which of them appends. */
  readonly writer?: Writer;
  /** Crash points for tests and the simulation; does nothing in production. */
  readonly faults?: FaultPoints;
}

/** Called around every effect; throwing is a crash at that point. */
export interface FaultPoints {
  at(point: string): void;
}

/** A deployable service: what standalone, the seven processes and the simulation all start (docs/architecture.md). */
export interface ServiceBlueprint<Env extends ServiceEnv = ServiceEnv> {
  readonly name: ServiceName;
  /** Postgres schema: the name with underscores. */
  readonly schema: string;
  /** Run as the schema's owner, in order. */
  migrations(roles: SchemaRoles): readonly Type<MigrationInterface>[];
  /** Every stream type of its store: what a replay of all events goes by. */
  readonly streams: readonly AnyStreamType[];
  /** What it keeps in tables besides the states of its streams, and how that is made anew; missing: nothing. @param network of Bitcoin */
  readonly rebuild?: (network: string) => Rebuild;
  /** Read models for TypeORM. */
  readonly entities: readonly EntitySchema[];
  /** Consumed topics; each has an `@EventPattern` handler in the module. */
  readonly topics: readonly Topic[];
  /** Of those, what nobody waits for: read together with others, or a little later. */
  readonly unhurried?: readonly Topic[];
  /** gRPC services on the public port, by full name. */
  readonly grpc: Readonly<Record<string, GrpcServiceDefinition>>;
  /** What `INTERNAL_API` offers, and to whom. */
  readonly internal?: InternalService;
  module(env: Env): DynamicModule;
  /** Figures and checks beyond those that every service has. @returns what keeps them up to date */
  observe?(service: AssembledService, to: Observation): readonly Worker[];
}

/** Where a service's own figures and checks go. */
export interface Observation {
  readonly base: Omit<ServiceEnv, 'config'>;
  readonly metrics: ServiceMetrics;
  /** `node` becomes `chain-watcher/node`. */
  check(name: string, run: () => CheckResult | Promise<CheckResult>): void;
}

export interface SchemaRoles {
  readonly schema: string;
  readonly owner: string;
  readonly service: string;
  /** The login role that reads published messages and nothing else. */
  readonly bus: string;
}

/** A started service, before anything runs in it: loops in production, the scheduler in the simulation step the workers. */
export interface AssembledService {
  readonly blueprint: ServiceBlueprint;
  /** The module's workers and the consumer. */
  readonly workers: readonly Worker[];
  /** Undefined for a service that consumes nothing. */
  readonly consumer: ConsumerWorker | undefined;
  /** Calls `listener` when one of the module's workers may have something to do: the service has published something. */
  onWake(listener: () => void): Promise<void>;
  /** From the module's container. */
  get<T>(token: symbol | Type<T>): T;
  close(): Promise<void>;
}
