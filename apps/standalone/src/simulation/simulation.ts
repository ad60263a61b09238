import { createHash } from 'node:crypto';
import { parseTransaction } from '@finality/bitcoin';
import { readTransaction } from '@finality/event-store';
import { unwrap } from '@finality/kernel';
import { INTERNAL_API } from '@finality/service';
import type { SigningPort } from '@finality/signer-app';
import type { reconciliationV1, ServiceName } from '@finality/contracts';
import {
  type Fault,
  pickWeighted,
  SeededRandom,
  type SimulationDatabase,
  type SimulationServer,
  Trace,
  VirtualClock,
  VirtualRuntime,
  type Weighted,
} from '@finality/testing/simulation';
import { Calm, READERS_OF_KEYS } from './calm.ts';
import { ChainView } from './chain-view.ts';
import { check, isAtRest, isBetweenBlocks } from './checks.ts';
import { type Answer, type Ask, Clients } from './clients.ts';
import { Credit } from './credit.ts';
import { Dealings } from './dealings.ts';
import { Destinations } from './destinations.ts';
import { Outside } from './outside.ts';
import { Owners } from './owners.ts';
import { People } from './people.ts';
import { SimulatedPlatform } from './platform.ts';
import { type Profile, profileOf } from './profile.ts';
import { repeatAnswered } from './repeats.ts';
import { Rogue } from './rogue.ts';
import { rebuildingSigner } from './rebuilding-signer.ts';
import { walletScripts, eventCounts } from './records.ts';
import { Rules } from './rules.ts';
import { ANCHOR_SECONDS } from './settings.ts';
import { settleIn } from './settle-in.ts';
import { Staff } from './staff.ts';
import { statementProblems } from './statements.ts';
import { Violation } from './violation.ts';
import { Workload } from './workload.ts';

export interface SimulationOptions {
  readonly seed: number;
  /** Actions between setting up and coming to rest. */
  readonly steps: number;
  /** A protection that is switched off, from outside: the simulation has to fail then. */
  readonly without?: Protection;
}

export type Protection = 'inbox' | 'anchor';
export const PROTECTIONS: readonly Protection[] = ['inbox', 'anchor'];

export interface SimulationResult {
  readonly seed: number;
  readonly steps: number;
  /** SHA-256 over all that happened and the ends of all logs: the same seed gives the same. */
  readonly digest: string;
  readonly settlements: number;
  readonly crashes: number;
  readonly blocks: number;
  /** How often somebody else drifted from a payout's coins as far as he could: the signer refused to pay from others. */
  readonly driftsRefused: number;
  /** Of the settlement service, by type. */
  readonly events: Readonly<Record<string, number>>;
  /** Calls that were answered again in the end, when everything had changed: `DestinationService/revokeSignatory`. */
  readonly repeated: readonly string[];
  /** Empty: every promise was kept. */
  readonly problems: readonly string[];
  /** The last of what happened. */
  readonly trace: readonly string[];
}

/** Of settlements whose payers have keys of their own. */
const NEVER_SIGNED = 0.15;
const CHECK_EVERY = 150;
/** Rounds between the turmoil and the rest. */
const ROUGH_ROUNDS = 24;
const CHECK_EVERY_ROUNDS = 8;
const TRACE_LINES = 80;
/** Steps until a worker that reads keys has read them all. */
const READS_MAX = 100;
/** Blocks mined until everything has come to rest: as many as the deepest finality needs, and some for what was lost on the way. */
const QUIET_BLOCKS_MAX = 40;
/** Tries to have the ledger stand at a block when it is compared with the chain. */
const BOUNDARY_STEPS_MAX = 8;
/** Longer than a rebroadcast takes to become due. */
const QUIET_STEP_MS = 31_000;

/** One run from a seed. Never throws because of what it finds: that is in the result. */
export async function simulate(server: SimulationServer, options: SimulationOptions): Promise<SimulationResult> {
  const database = await server.database();
  try {
    return await new Simulation(database, options).run();
  } finally {
    await database.drop();
  }
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #database: SimulationDatabase;
  readonly #random: SeededRandom;
  readonly #clock = new VirtualClock();
  readonly #trace = new Trace();
  readonly #profile: Profile;
  #platform!: SimulatedPlatform;
  #outside!: Outside;
  #clients!: Clients;
  #owners!: Owners;
  #dealings!: Dealings;
  #credit!: Credit;
  #people!: People;
  #rules!: Rules;
  #destinations!: Destinations;
  #staff!: Staff;
  #workload!: Workload;
  #chain!: ChainView;
  #calm!: Calm;
  readonly #rogue = new Rogue();
  #driftsRefused = 0;
  #repeated: readonly string[] = [];
  /** Nothing fails while the world is set up, and while it comes to rest. */
  #isFaulty = false;

  constructor(database: SimulationDatabase, options: SimulationOptions) {
    this.#options = options;
    this.#database = database;
    this.#random = new SeededRandom(`finality ${options.seed}`);
    this.#profile = profileOf(this.#random.fork('profile'));
  }

  async run(): Promise<SimulationResult> {
    const problems: string[] = [];
    try {
      await this.#setUp();
      this.#isFaulty = true;
      for (let step = 1; step <= this.#options.steps; step++) {
        await this.#act();
        if (step % CHECK_EVERY === 0) await this.#check(false);
      }
      await this.#roughSea();
      await this.#comeToRest();
    } catch (error) {
      problems.push(...(error instanceof Violation ? error.problems : [`the simulation failed: ${describe(error)}`]));
      if (error instanceof Violation && error.cause !== undefined) problems.push(describe(error.cause));
    } finally {
      await this.#platform?.stop();
    }
    const events = await readTransaction({ pool: this.#database.admin, schema: 'settlement' }, eventCounts);
    const { seed, steps } = this.#options;
    return {
      seed,
      steps,
      digest: this.#trace.digest(),
      settlements: this.#clients?.accepted.size ?? 0,
      crashes: this.#platform?.crashes ?? 0,
      driftsRefused: this.#driftsRefused,
      blocks: (this.#outside?.chain.tip.height ?? 0) - (this.#outside?.startHeight ?? 0),
      events,
      repeated: this.#repeated,
      problems,
      trace: this.#trace.last(TRACE_LINES),
    };
  }

  async #setUp(): Promise<void> {
    const random = this.#random;
    this.#outside = await Outside.make(this.#clock);
    const { node, chain, startHeight } = this.#outside;
    this.#chain = new ChainView(chain, startHeight);
    this.#platform = await SimulatedPlatform.start({
      database: this.#database,
      clock: this.#clock,
      random: random.fork('platform'),
      node,
      startHeight,
      anchorSeconds: ANCHOR_SECONDS,
      repeatProbability: this.#profile.repeatProbability,
      holdProbability: this.#profile.holdProbability,
      withoutInbox: this.#options.without === 'inbox',
      signerFor: (signer) =>
        this.#options.without === 'anchor' ? this.#withoutAnchor(signer) : this.#rogue.listen(signer),
      startFault: () => (this.#isFaulty && this.#random.chance(0.1) ? this.#faultOf('crash') : undefined),
    });
    this.#calm = new Calm(this.#platform, this.#database.admin);
    const runtime = new VirtualRuntime(this.#clock, random.fork('clients runtime'));
    this.#clients = new Clients(this.#platform, runtime);
    this.#owners = new Owners(this.#clients, random.fork('owners'), { neverSigns: NEVER_SIGNED });
    this.#dealings = new Dealings(this.#clients, random.fork('dealings'));
    this.#credit = new Credit(this.#clients, this.#dealings, random.fork('credit'));
    this.#people = new People(this.#clients, random.fork('people'));
    this.#rules = new Rules(this.#clients, { people: this.#people, dealings: this.#dealings }, random.fork('rules'));
    this.#destinations = new Destinations(this.#clients, this.#people, random.fork('destinations'));
    this.#staff = new Staff(this.#clients, random.fork('staff'));
    const others = {
      ...{ clients: this.#clients, outside: this.#outside, owners: this.#owners, dealings: this.#dealings },
      ...{ credit: this.#credit, rules: this.#rules, destinations: this.#destinations, staff: this.#staff },
    };
    this.#workload = new Workload(others, this.#profile, random.fork('workload'));
    await settleIn({ clients: this.#clients, outside: this.#outside, clock: this.#clock }, () => this.#workUntilIdle());
    await this.#agree(() => this.#workUntilIdle());
    this.#trace.add(`set up at height ${chain.tip.height}: ${JSON.stringify(this.#profile)}`);
  }

  /** What is agreed on before anything goes wrong. */
  async #agree(work: () => Promise<void>): Promise<void> {
    if (this.#profile.dealings > 0) await this.#dealings.settle(work);
    if (this.#profile.credit > 0) await this.#credit.settle(work);
    if (this.#profile.rules === 0) return;
    await this.#people.enlist(work);
    await this.#rules.settle(work);
    await this.#destinations.settle(work);
  }

  #withoutAnchor(signer: SigningPort): SigningPort {
    const random = this.#random.fork('without anchor');
    const { admin } = this.#database;
    return rebuildingSigner(signer, {
      isLost: () => random.chance(0.9),
      coinsOf: (walletId) =>
        readTransaction({ pool: admin, schema: 'settlement' }, async (session) => {
          const unspent = this.#chain.unspentAt(this.#chain.tipHash, await walletScripts(session));
          return [...unspent].flatMap(([outpoint, { script, valueSats, place }]) =>
            place.walletId === walletId ? [{ outpoint, script, valueSats, ...place }] : [],
          );
        }),
      broadcast: (raw) => void this.#outside.chain.accept(unwrap(parseTransaction(raw))),
      newId: () => new VirtualRuntime(this.#clock, random).id(),
    });
  }

  async #act(): Promise<void> {
    this.#clock.advance(this.#random.between(1, 60));
    const profile = this.#profile;
    const action = pickWeighted(this.#random, [
      { weight: 760, value: () => this.#step() },
      { weight: profile.workload, value: () => this.#workload.act((ask) => this.#ask(ask)) },
      { weight: profile.mining, value: () => this.#mine() },
      { weight: this.#outside.isTipEmpty ? profile.reorgs / 4 : profile.reorgs * 2, value: () => this.#reorg() },
      { weight: this.#outside.chain.mempool.size === 0 ? 1 : profile.evictions, value: () => this.#forget() },
      { weight: 30, value: () => this.#wait() },
      { weight: profile.crashes, value: () => this.#crash() },
      { weight: this.#outside.outage === 'none' ? profile.outages : 60, value: () => this.#switchNode() },
    ]);
    const done = await action();
    this.#trace.add(done, done.endsWith(': idle'));
  }

  async #step(): Promise<string> {
    const { name, worker } = pickWeighted(this.#random, this.#workers());
    const fault = this.#fault();
    const { did, struck } = await this.#platform.step(name, worker, fault);
    return `${name}: ${worker}: ${did}${struck === undefined ? '' : ` [${struck}]`}`;
  }

  /** Those that nearly always find something to do more often. */
  #workers(): readonly Weighted<{ readonly name: ServiceName; readonly worker: string }>[] {
    return this.#platform.services.flatMap((name) =>
      this.#platform.workersOf(name).map((worker) => ({ weight: weightOf(worker), value: { name, worker } })),
    );
  }

  async #ask(ask: Ask): Promise<Answer> {
    return this.#clients.ask(ask, this.#fault());
  }

  /** Most things go well. */
  #fault(): Fault | undefined {
    if (!this.#random.chance(this.#profile.faultProbability)) return undefined;
    return this.#faultOf(this.#random.pick(['crash', 'crash', 'disconnect', 'lost_answer']));
  }

  #faultOf(kind: Fault['kind']): Fault {
    return {
      kind,
      after: kind === 'lost_answer' ? this.#random.below(2) : this.#random.below(14),
      when: this.#random.pick(['before', 'after']),
    };
  }

  #mine(): Promise<string> {
    this.#outside.mine();
    return Promise.resolve(`mine ${this.#tip()}`);
  }

  #reorg(): Promise<string> {
    const depth = this.#random.between(1, this.#profile.reorgDepthMax);
    const { lost } = this.#outside.reorg(this.#random, depth, this.#profile.lossProbability);
    return Promise.resolve(`reorg of ${depth} to ${this.#tip()}, ${lost} transactions lost`);
  }

  async #forget(): Promise<string> {
    const { lost } = this.#outside.evict(this.#random, 0.5);
    await this.#outside.sync();
    return `the mempool loses ${lost}`;
  }

  #wait(): Promise<string> {
    const ms = this.#random.chance(this.#profile.longWaitProbability) ? 3_600_000 : this.#random.between(500, 40_000);
    this.#clock.advance(ms);
    return Promise.resolve(`wait ${ms} ms`);
  }

  async #crash(): Promise<string> {
    const name = this.#random.pick(this.#platform.services);
    await this.#platform.crash(name);
    return `crash ${name}`;
  }

  #switchNode(): Promise<string> {
    const outage =
      this.#outside.outage === 'none' ? this.#random.pick(['refuse', 'hang', 'cut_answer'] as const) : 'none';
    this.#outside.outage = outage;
    return Promise.resolve(`node outage: ${outage}`);
  }

  #tip(): string {
    const { height, hash } = this.#outside.chain.tip;
    return `${height} ${hash.slice(0, 12)}`;
  }

  #workUntilIdle(): Promise<void> {
    return this.#calm.untilIdle(`${this.#clock.now()} ${this.#outside.version}`);
  }

  /**
   * Everybody works undisturbed on what there is, then the chain does something, and again: so that what it takes back has been seen in full, which in
   * the turmoil before is rare.
   */
  async #roughSea(): Promise<void> {
    this.#isFaulty = false;
    this.#outside.outage = 'none';
    const { reorgs, evictions } = this.#profile;
    for (let round = 1; round <= ROUGH_ROUNDS; round++) {
      const action = pickWeighted(this.#random, [
        { weight: 40, value: () => this.#mine() },
        { weight: reorgs, value: () => this.#reorg() },
        { weight: evictions, value: () => this.#forget() },
        { weight: 30, value: () => this.#workload.act((ask) => this.#clients.ask(ask)) },
      ]);
      this.#trace.add(await action());
      this.#clock.advance(this.#random.between(1_000, QUIET_STEP_MS));
      await this.#workUntilIdle();
      if (round % CHECK_EVERY_ROUNDS === 0) await this.#check(false);
      if (round === ROUGH_ROUNDS / 2) await this.#compareStatements();
    }
  }

  /** No more faults, no more requests: what was begun has to end. */
  async #comeToRest(): Promise<void> {
    this.#trace.add('coming to rest');
    for (let block = 0; block < QUIET_BLOCKS_MAX; block++) {
      await this.#workUntilIdle();
      await this.#answerEverybody();
      this.#outside.mine();
      this.#clock.advance(QUIET_STEP_MS);
      if (this.#outside.chain.mempool.size === 0 && (await isAtRest(this.#database.admin, this.#owners.unsigned)))
        break;
    }
    await this.#workUntilIdle();
    await this.#check(true);
    await this.#lookAtEverything();
    await this.#compareStatements();
    await this.#reconcile();
    await this.#driftAway();
    this.#repeated = await repeatAnswered(this.#clients, this.#clock, this.#destinations.lastRevocations());
    this.#trace.add(`${this.#repeated.length} calls are answered again`);
  }

  /** Everything has ended: what is signed now is of no use to anybody else. */
  async #driftAway(): Promise<void> {
    await this.#workUntilIdle();
    this.#driftsRefused = await this.#rogue.driftAway(this.#platform.get<SigningPort>('signer', INTERNAL_API));
    this.#trace.add(`somebody wants payouts from other coins: refused ${this.#driftsRefused} times`);
    await this.#check(true);
  }

  async #answerEverybody(): Promise<void> {
    for (const ask of [...this.#clients.unanswered]) await this.#clients.ask(ask);
    await this.#dealings.lookAtWindows();
    for (const settlementId of this.#clients.told.keys()) {
      await this.#clients.read(settlementId);
    }
    for (const ask of this.#workload.reviewsDue()) await this.#clients.ask(ask);
    await this.#rules.approveAll();
    await this.#owners.signAll();
  }

  async #lookAtEverything(): Promise<void> {
    if (this.#clients.unanswered.length > 0)
      throw new Violation(
        this.#clients.unanswered.map(({ method, request }) => `${method} ${request.idempotencyKey} is never answered`),
      );
    for (const settlementId of this.#clients.accepted.values()) {
      await this.#clients.read(settlementId);
    }
    await this.#staff.prove();
    for (const name of this.#platform.services) {
      for (const worker of this.#platform.workersOf(name).filter((each) => READERS_OF_KEYS.test(each)))
        for (let i = 0; i < READS_MAX && (await this.#platform.step(name, worker)).did !== 'idle'; i++);
    }
    for (const apiKey of this.#workload.keysRevoked()) {
      await this.#clients.knock('settlement', 'SettlementService', 'getSettlement', apiKey);
      await this.#clients.knock('address-issuer', 'AddressService', 'listAddresses', apiKey);
      await this.#clients.knock('risk', 'RiskService', 'getVerdict', apiKey);
    }
  }

  async #compareStatements(): Promise<void> {
    const problems = await statementProblems(this.#clients, this.#database.admin);
    if (problems.length > 0) throw new Violation(problems);
  }

  /** The platform's own view of whether all is well must agree. */
  async #reconcile(): Promise<void> {
    const request = { idempotencyKey: this.#clients.newKey() };
    const call = {
      service: 'ReconciliationService',
      method: 'runReconciliation',
      apiKey: this.#clients.operator.apiKey,
    };
    const name: ServiceName = 'reconciliation';
    const { breaks } = (await this.#platform.call(name, request, call)) as reconciliationV1.Report;
    if (breaks.length > 0) {
      throw new Violation(
        breaks.map(
          ({ kind, subject, expectedSats, actualSats, description }) =>
            `reconciliation break ${kind} on ${subject}: expected ${expectedSats}, got ${actualSats}: ${description}`,
        ),
      );
    }
  }

  async #check(isEnd: boolean): Promise<void> {
    const { admin } = this.#database;
    for (let i = 0; i < BOUNDARY_STEPS_MAX && (await isBetweenBlocks(admin)); i++) {
      await this.#platform.step('settlement', 'settlement.consumer');
    }
    const { problems, heads, compared } = await check(
      {
        admin,
        chain: this.#chain,
        unsigned: this.#owners.unsigned,
        countsMessages: this.#options.without !== 'inbox',
      },
      isEnd,
    );
    const digest = createHash('sha256').update(heads.join('\n')).digest('hex').slice(0, 16);
    this.#trace.add(`check: logs ${digest}${compared ? '' : ', ledger between two blocks'}`);
    if (problems.length > 0) throw new Violation(problems);
  }
}

function weightOf(worker: string): number {
  if (worker.endsWith('.consumer')) return 4;
  return READERS_OF_KEYS.test(worker) || worker.endsWith('.labels') ? 0.5 : 2;
}

const describe = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));
