import path from 'node:path';
import type { Runtime } from '@finality/kernel';
import { seededRandom } from '@finality/testing';
import { DatabaseView } from './audit.fixture.ts';
import { MODES, type Order, Outside } from './outside.fixture.ts';
import { type Greeting, PlatformProcess } from './platform-process.fixture.ts';

/** Loading the modules takes longer than a round, so it is done ahead, by the processes that come next. */
const STANDBYS = 2;
/** Or as long as a start takes, if that is longer. From its request on a settlement needs about as long to be signed: many lives end sooner. */
const LIFE_MS_MAX = 900;
const KILLED_WHILE_STARTING = 0.12;
const BLOCKS_MAX = 3;
const BLOCK_PAUSE_MS_MAX = 250;
const SUBMIT_PAUSE_MS_MAX = 100;
const REPEATS = 2;
const LATE_DEPOSIT = 0.2;
const REORG = 0.15;

export interface CrashRunOptions {
  readonly dataDir: string;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly runtime: Runtime;
}

/** What will be done to the platform in one of its lives. */
interface Round {
  /** Share of the time that a start takes; undefined: it comes up. */
  readonly killWhileStarting: number | undefined;
  /** Share of the longest life. */
  readonly life: number;
  readonly submissions: readonly { readonly order: Order; readonly afterMs: number }[];
  readonly blockPausesMs: readonly number[];
  readonly hasDeposit: boolean;
  readonly hasReorg: boolean;
}

/** A platform that is killed again and again at moments that follow from a seed, and the world around it, which goes on. */
export class CrashRun {
  readonly outside: Outside;
  kills = 0;
  /** Kills when settlements were under way. */
  killsWithWork = 0;
  /** How often settlements were found in a step when the platform was killed. */
  readonly stepsInterrupted = new Map<string, number>();
  readonly #dataDir: string;
  readonly #random: () => number;
  readonly #runtime: Runtime;
  readonly #standbys: PlatformProcess[] = [];
  readonly #startsMs: number[] = [];
  #running: PlatformProcess | undefined;
  #isAbandoned = false;

  constructor({ dataDir, random, runtime }: CrashRunOptions) {
    this.#dataDir = dataDir;
    this.#random = random;
    this.#runtime = runtime;
    this.outside = new Outside(runtime);
  }

  /** Typical of its starts, the first aside. */
  get startMs(): number {
    return this.#startsMs.toSorted((a, b) => a - b)[Math.floor(this.#startsMs.length / 2)] ?? 0;
  }

  /** The platform is up, and all have money. */
  async begin(): Promise<void> {
    const greeting = await this.#start();
    await this.outside.meet(greeting);
    await this.outside.prepare(greeting);
  }

  /** The platform is given work and is killed at some moment; the next time as well. */
  async crash(): Promise<void> {
    const round = this.#plan();
    if (this.#running === undefined && round.killWhileStarting !== undefined) {
      await this.#killWhileStarting(round.killWhileStarting * this.startMs);
    }
    if (this.#running === undefined) await this.outside.meet(await this.#start());
    const work = this.#work(round);
    // Until it is awaited below.
    work.catch(() => undefined);
    await this.#runtime.sleep(round.life * Math.max(LIFE_MS_MAX, this.startMs));
    await this.#kill();
    await work;
    this.outside.leave();
  }

  /** Whatever was cut off is asked for again, and blocks are mined until all settlements have ended. */
  async settleDown(): Promise<void> {
    await this.outside.meet(await this.#start());
    await Promise.all(this.#standbys.splice(0).map((standby) => standby.kill()));
    await this.outside.settleDown();
  }

  /** @returns the exit code */
  async stop(): Promise<number | null | undefined> {
    const running = this.#running;
    this.#running = undefined;
    return running?.stop();
  }

  /** Leaves no process behind, Postgres aside. */
  async abandon(): Promise<void> {
    this.#isAbandoned = true;
    this.outside.leave();
    const all = [...(this.#running ? [this.#running] : []), ...this.#standbys];
    await Promise.all(all.map((each) => each.kill()));
  }

  /** What depends on how far others have come is drawn last: the moments of the kills follow from the seed alone. */
  #plan(): Round {
    const draw = seededRandom(Math.floor(this.#random() * 2 ** 32));
    const random = (max: number): number => draw() * max;
    const planned = {
      killWhileStarting: random(1) < KILLED_WHILE_STARTING ? random(1) : undefined,
      life: random(1),
      blockPausesMs: Array.from({ length: 1 + Math.floor(random(BLOCKS_MAX)) }, () => random(BLOCK_PAUSE_MS_MAX)),
      hasDeposit: random(1) < LATE_DEPOSIT,
      hasReorg: random(1) < REORG,
    };
    const { answered, unanswered } = this.outside;
    const fresh = MODES.map((mode) => this.outside.order(mode, draw));
    const repeated = answered.length === 0 ? [] : Array.from({ length: REPEATS }, () => pick(answered, draw));
    const wanted = [...fresh, ...unanswered, ...repeated];
    return { ...planned, submissions: wanted.map((order) => ({ order, afterMs: random(SUBMIT_PAUSE_MS_MAX) })) };
  }

  async #work({ submissions, blockPausesMs, hasDeposit, hasReorg }: Round): Promise<void> {
    const submitting = submissions.map(async ({ order, afterMs }) => {
      await this.#runtime.sleep(afterMs);
      await this.outside.submit(order);
    });
    const mining = async (): Promise<void> => {
      if (hasDeposit) await this.outside.depositLate();
      if (hasReorg) await this.outside.reorganise();
      for (const pauseMs of blockPausesMs) {
        await this.outside.mine();
        await this.#runtime.sleep(pauseMs);
      }
    };
    await Promise.all([...submitting, mining()]);
  }

  async #start(): Promise<Greeting> {
    this.#running = this.#next();
    const greeting = await this.#running.start();
    if (this.kills > 0) this.#startsMs.push(greeting.startMs);
    return greeting;
  }

  async #killWhileStarting(afterMs: number): Promise<void> {
    this.#running = this.#next();
    const starting = this.#running.start().catch(() => undefined);
    await this.#running.loaded;
    await this.#runtime.sleep(afterMs);
    await this.#kill();
    await starting;
  }

  #next(): PlatformProcess {
    if (this.#isAbandoned) throw new Error('nothing is started any more');
    while (this.#standbys.length <= STANDBYS) this.#standbys.push(new PlatformProcess(this.#dataDir));
    return this.#standbys.shift()!;
  }

  async #kill(): Promise<void> {
    this.outside.expectEnd();
    await this.#running!.kill();
    this.#running = undefined;
    this.kills += 1;
    const database = await DatabaseView.open(path.join(this.#dataDir, 'postgres'));
    const steps = await database.unsettled();
    await database.close();
    if (steps.length > 0) this.killsWithWork += 1;
    for (const step of new Set(steps)) this.stepsInterrupted.set(step, (this.stepsInterrupted.get(step) ?? 0) + 1);
  }
}

function pick<T>(from: readonly T[], random: () => number): T {
  return from[Math.floor(random() * from.length)]!;
}
