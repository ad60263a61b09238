import { join } from 'node:path';
import { type AddressingPort, addressIssuerService } from '@finality/address-issuer-app';
import { amlConfig, amlService } from '@finality/aml-app';
import { chainWatcherService } from '@finality/chain-watcher-app';
import type { SimulatedNode } from '@finality/chain-simulator';
import { type ServiceName, topicNamed } from '@finality/contracts';
import { assert } from '@finality/kernel';
import { type MessageDriver, PermutingDriver, PostgresDriver } from '@finality/messaging';
import { reconciliationService } from '@finality/reconciliation-app';
import { riskConfig, riskService } from '@finality/risk-app';
import {
  type AssembledService,
  assembleService,
  createPool,
  createReadModels,
  INTERNAL_API,
  refusalOf,
  type ServiceEnv,
  silentLog,
} from '@finality/service';
import { type LedgerCutPort, settlementConfig, settlementService } from '@finality/settlement-app';
import { signerService, type SigningPort } from '@finality/signer-app';
import {
  type Doom,
  type Fault,
  guardedNode,
  guardedPool,
  guardedPort,
  InProcessApi,
  isInjected,
  Life,
  type SeededRandom,
  type SimulationDatabase,
  Turns,
  UnnumberedDriver,
  type VirtualClock,
  VirtualRuntime,
} from '@finality/testing/simulation';
import type { Pool } from 'pg';
import { BLUEPRINTS } from '../services.ts';
import { simulationSettings } from './settings.ts';
import { Violation } from './violation.ts';

const CONNECTIONS_MAX = 4;
/** A service that crashes while it starts is started again. */
const STARTS_MAX = 20;

export interface PlatformOptions {
  readonly database: SimulationDatabase;
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly node: SimulatedNode;
  readonly startHeight: number;
  /** How far apart heads of the ledger are anchored; 0: none is. */
  readonly anchorSeconds: number;
  /** Per message delivered: that one comes again; that the rest waits. */
  readonly repeatProbability: number;
  readonly holdProbability: number;
  /** Whether every delivery counts as new. */
  readonly withoutInbox: boolean;
  /** What goes wrong while a service starts. */
  readonly startFault?: () => Fault | undefined;
  /** What settlement is given for the signer; by default the signer. */
  readonly signerFor?: (signer: SigningPort) => SigningPort;
}

type Base = Omit<ServiceEnv, 'config'>;

/** What a service keeps over its crashes: its sessions, and where its randomness stands. */
interface Seat {
  readonly pool: Pool;
  readonly base: Omit<Base, 'pool' | 'driver'>;
  readonly random: SeededRandom;
}

interface Living {
  readonly life: Life;
  readonly service: AssembledService;
  readonly api: InProcessApi;
}

export interface StepResult {
  readonly did: 'progress' | 'idle' | 'failed';
  /** Where the fault struck, if it did. */
  readonly struck: string | undefined;
}

/** All services in one process under one hand: nothing moves unless it is told to, and each can crash at any of its effects. */
export class SimulatedPlatform {
  readonly #options: PlatformOptions;
  readonly #settings: ReturnType<typeof simulationSettings>;
  readonly #turns = new Turns();
  readonly #seats = new Map<ServiceName, Seat>();
  readonly #living = new Map<ServiceName, Living>();
  readonly #bus: Pool;
  #crashes = 0;
  /** The worker or the call that was begun last. */
  #doing = '';

  private constructor(options: PlatformOptions) {
    this.#options = options;
    const { database, startHeight, anchorSeconds } = options;
    this.#settings = simulationSettings({
      startHeight,
      anchorSeconds,
      passphraseFile: join(database.home, 'passphrase'),
    });
    this.#bus = pool(database.busUrl, 'bus');
  }

  static async start(options: PlatformOptions): Promise<SimulatedPlatform> {
    const platform = new SimulatedPlatform(options);
    for (const blueprint of BLUEPRINTS) platform.#seats.set(blueprint.name, await platform.#seatOf(blueprint));
    for (const { name } of BLUEPRINTS) await platform.#begin(name);
    return platform;
  }

  get services(): readonly ServiceName[] {
    return [...this.#living.keys()];
  }

  /** Crashes so far. */
  get crashes(): number {
    return this.#crashes;
  }

  workersOf(name: ServiceName): readonly string[] {
    return this.#get(name).service.workers.map((worker) => worker.name);
  }

  /** One step of one worker. What it throws must come from a fault that was injected, or say that it can't go on for now. */
  async step(name: ServiceName, worker: string, fault?: Fault): Promise<StepResult> {
    return this.#during(name, fault, async ({ service, life }) => {
      const found = service.workers.find((each) => each.name === worker);
      assert(found, `${name} has no worker ${worker}`);
      this.#doing = worker;
      try {
        const did = await found.step();
        return { did, struck: life.struck };
      } catch (error) {
        if (!isPassing(error)) throw new Violation([`${name}: worker ${worker} failed: ${String(error)}`], error);
        return { did: 'failed', struck: life.struck };
      }
    });
  }

  /** A call of a client. Rejects with a refusal, or because of a fault. */
  async call(
    name: ServiceName,
    request: object,
    call: { service: string; method: string; apiKey: string },
    fault?: Fault,
  ): Promise<unknown> {
    this.#doing = call.method;
    return this.#during(name, fault, ({ api }) =>
      api.call(request, { ...call, correlationId: this.#seat(name).base.runtime.id() }),
    );
  }

  /** From the container of a service that lives. */
  get<T>(name: ServiceName, token: symbol): T {
    return this.#get(name).service.get<T>(token);
  }

  /** Ends a service between two steps, and starts it anew. */
  async crash(name: ServiceName): Promise<void> {
    this.#get(name).life.end('between two steps');
    await this.#rise();
  }

  /** Ends the present life of a service at an effect to come, which is told with the worker or call that has it; undefined: no longer. */
  doom(name: ServiceName, doom: Doom | undefined): void {
    const named = doom && {
      after: doom.after,
      counts: (effect: string) => doom.counts(`${this.#doing}: ${effect}`),
      struck: (effect: string) => doom.struck(`${this.#doing}: ${effect}`),
    };
    this.#get(name).life.doom(named);
  }

  async stop(): Promise<void> {
    for (const { service } of this.#living.values()) await service.close();
    for (const { pool: sessions, base } of this.#seats.values()) {
      await sessions.end();
      await base.readModels.destroy();
    }
    await this.#bus.end();
  }

  async #during<T>(name: ServiceName, fault: Fault | undefined, work: (living: Living) => Promise<T>): Promise<T> {
    const living = this.#get(name);
    living.life.arm(fault);
    try {
      return await work(living);
    } finally {
      if (!living.life.isOver) living.life.arm(undefined);
      await this.#rise();
    }
  }

  /** Starts what has crashed. */
  async #rise(): Promise<void> {
    for (const [name, { life }] of this.#living) {
      if (!life.isOver) continue;
      this.#crashes += 1;
      await this.#begin(name, life.number + 1);
    }
  }

  async #begin(name: ServiceName, number = 1): Promise<void> {
    for (let attempt = 0; attempt < STARTS_MAX; attempt++) {
      const life = new Life(name, number + attempt);
      const api = new InProcessApi();
      life.arm(this.#options.startFault?.());
      try {
        const service = await this.#assemble(name, life, api);
        life.arm(undefined);
        this.#living.set(name, { life, service, api });
        return;
      } catch (error) {
        if (!isInjected(error)) throw error;
        this.#crashes += 1;
      }
    }
    throw new Violation([`${name} doesn't start in ${STARTS_MAX} attempts`]);
  }

  async #assemble(name: ServiceName, life: Life, grpc: InProcessApi): Promise<AssembledService> {
    const config = this.#settings;
    const base = this.#baseOf(name, life);
    const signer = this.#port<SigningPort>('signer', life);
    const connectNode = (): Promise<SimulatedNode> => Promise.resolve(guardedNode(this.#options.node, life));
    switch (name) {
      case 'signer':
        return assembleService(signerService, { ...base, config }, { grpc });
      case 'address-issuer':
        return assembleService(addressIssuerService, { ...base, config, signer }, { grpc });
      case 'settlement': {
        const addresses = this.#port<AddressingPort>('address-issuer', life);
        const own = this.#options.signerFor?.(signer) ?? signer;
        const env = { ...base, config: settlementConfig(config), addresses, signer: own };
        return assembleService(settlementService, env, { grpc });
      }
      case 'chain-watcher':
        return assembleService(chainWatcherService, { ...base, config, connectNode }, { grpc });
      case 'risk':
        return assembleService(riskService, { ...base, config: riskConfig(config) }, { grpc });
      case 'aml':
        return assembleService(amlService, { ...base, config: amlConfig(config) }, { grpc });
      case 'reconciliation': {
        const ledger = this.#port<LedgerCutPort>('settlement', life);
        return assembleService(reconciliationService, { ...base, config, ledger, signer, connectNode }, { grpc });
      }
    }
  }

  #port<Port extends object>(name: ServiceName, caller: Life): Port {
    return guardedPort(name, caller, () => {
      const { life, service } = this.#get(name);
      return { life, port: service.get<Port>(INTERNAL_API) };
    });
  }

  #baseOf(name: ServiceName, life: Life): Base {
    const { base, pool: sessions, random } = this.#seat(name);
    const own = guardedPool(sessions, life, this.#turns);
    return {
      ...base,
      pool: own,
      driver: this.#driverOf(name, own, random),
      faults: { at: (point) => life.point(point) },
    };
  }

  #driverOf(name: ServiceName, consumer: Pool, random: SeededRandom): MessageDriver {
    const schema = schemaOf(name);
    const tail = new PostgresDriver({
      bus: this.#bus,
      consumer,
      consumerSchema: schema,
      schemaOf: (topic) => schemaOf(topicNamed(topic).owner),
      listen: false,
    });
    const { repeatProbability, holdProbability, withoutInbox } = this.#options;
    const permuting = new PermutingDriver(tail, {
      random: () => random.fraction(),
      repeatProbability,
      holdProbability,
    });
    return withoutInbox ? new UnnumberedDriver(permuting, { pool: consumer, schema }) : permuting;
  }

  async #seatOf({ name, schema, entities }: (typeof BLUEPRINTS)[number]): Promise<Seat> {
    const { database, clock, random } = this.#options;
    const url = database.urlOf(name);
    const readModels = await createReadModels(url, { schema, entities, applicationName: name, connectionsMax: 1 });
    const runtime = new VirtualRuntime(clock, random.fork(`${name} runtime`));
    return { pool: pool(url, name), base: { runtime, readModels }, random: random.fork(`${name} deliveries`) };
  }

  #get(name: ServiceName): Living {
    const living = this.#living.get(name);
    assert(living, `${name} has been started`);
    return living;
  }

  #seat(name: ServiceName): Seat {
    const seat = this.#seats.get(name);
    assert(seat, `${name} has a seat`);
    return seat;
  }
}

const pool = (url: string, name: string): Pool =>
  createPool(url, { applicationName: `finality/${name}`, connectionsMax: CONNECTIONS_MAX, log: silentLog });

function schemaOf(name: ServiceName): string {
  const blueprint = BLUEPRINTS.find((each) => each.name === name);
  assert(blueprint, `${name} is a service`);
  return blueprint.schema;
}

/** It was made to fail, or waits for what comes by itself (an address that isn't watched yet). */
function isPassing(error: unknown): boolean {
  return isInjected(error) || refusalOf(error)?.kind === 'unavailable';
}
