import { type ServiceName, topicNamed } from '@finality/contracts';
import { storePositions } from '@finality/testing/simulation';
import type { Pool } from 'pg';
import { BLUEPRINTS } from '../services.ts';
import { STORES } from './checks.ts';
import type { SimulatedPlatform } from './platform.ts';
import { Violation } from './violation.ts';

/** Rounds of work in which nothing fails: more than any chain of messages needs. */
const PASSES_MAX = 300;
/** Callers' keys are read when they call, too. */
export const READERS_OF_KEYS = / api keys$/;
const CONSUMER = /\.consumer$/;

/**
 * Lets the platform work, undisturbed, until nobody finds anything to do. Whoever was idle is asked again only when something has
 * changed that they look at: their own store, a step of their own service, the stores they consume from, the world outside.
 */
export class Calm {
  readonly #platform: SimulatedPlatform;
  readonly #admin: Pool;
  readonly #moves = new Map<ServiceName, number>();
  readonly #idleAt = new Map<string, string>();

  constructor(platform: SimulatedPlatform, admin: Pool) {
    this.#platform = platform;
    this.#admin = admin;
  }

  /** `world`: changes whenever chain or clock have. @throws Violation when it doesn't come to rest */
  async untilIdle(world: string): Promise<void> {
    for (let pass = 0; pass < PASSES_MAX; pass++) if (!(await this.#pass(world))) return;
    throw new Violation([`the platform doesn't come to rest in ${PASSES_MAX} passes over all workers`]);
  }

  /** @returns whether anybody had something to do */
  async #pass(world: string): Promise<boolean> {
    const positions = await storePositions(this.#admin, STORES);
    let hasMoved = false;
    for (const name of this.#platform.services) {
      for (const worker of this.#platform.workersOf(name).filter((each) => !READERS_OF_KEYS.test(each))) {
        const seen = [
          world,
          this.#moves.get(name) ?? 0,
          ...this.#looksAt(name, worker).map((store) => positions.get(store)),
        ];
        const stamp = seen.join(' ');
        if (this.#idleAt.get(`${name} ${worker}`) === stamp) continue;
        const { did } = await this.#platform.step(name, worker);
        if (did === 'idle') {
          this.#idleAt.set(`${name} ${worker}`, stamp);
        } else {
          this.#moves.set(name, (this.#moves.get(name) ?? 0) + 1);
          hasMoved = true;
        }
      }
    }
    return hasMoved;
  }

  #looksAt(name: ServiceName, worker: string): readonly ServiceName[] {
    if (!CONSUMER.test(worker)) return [name];
    const topics = BLUEPRINTS.find((each) => each.name === name)?.topics ?? [];
    return [name, ...new Set(topics.map((topic) => topicNamed(topic.name).owner))];
  }
}
