import type { SeededRandom } from '../simulation/random.ts';
import type { Trace } from '../simulation/trace.ts';
import { shortened } from './commands.fixture.ts';
import type { Faults } from './faults.fixture.ts';

/** Handles a message in the one append that also remembers it. */
export type Consumer<Body> = (body: Body, key: string) => void;

interface Lane<Body> {
  readonly name: string;
  readonly key: string;
  readonly consumer: Consumer<Body>;
  readonly messages: Body[];
  /** The next message to be delivered, as the broker knows it. */
  offset: number;
  /** What the consumer's own store has taken in: its inbox. */
  taken: number;
}

/** How the bus and its consumers are, where a protection is to be missed. */
export interface BusOptions {
  /** Without it, whoever consumes remembers nothing, and handles what it gets. */
  readonly hasInbox: boolean;
  /** Without it, a message is acknowledged before it is handled. */
  readonly acknowledgesLast: boolean;
}

/** Messages that come once more when a consumer begins again. */
const REWIND_MAX = 20;

/**
 * Messages between services: stored with what published them, in order per consumer, topic and key, and in no order otherwise. What was handled and
 * not acknowledged comes again, and so does what was acknowledged long ago.
 */
export class MemoryBus<Body> {
  readonly #options: BusOptions;
  readonly #faults: Faults;
  readonly #random: SeededRandom;
  readonly #trace: Trace;
  readonly #consumers = new Map<string, { readonly name: string; readonly consumer: Consumer<Body> }[]>();
  readonly #lanes = new Map<string, Lane<Body>>();

  constructor(faults: Faults, random: SeededRandom, trace: Trace, options: BusOptions) {
    this.#faults = faults;
    this.#random = random;
    this.#trace = trace;
    this.#options = options;
  }

  subscribe(topic: string, name: string, consumer: Consumer<Body>): void {
    this.#consumers.set(topic, [...(this.#consumers.get(topic) ?? []), { name, consumer }]);
  }

  /** In the same append as what it tells. */
  publish(topic: string, key: string, ...bodies: readonly Body[]): void {
    for (const { name: who, consumer } of this.#consumers.get(topic) ?? []) {
      const name = `${who} < ${topic} ${key}`;
      const lane = this.#lanes.get(name) ?? { name, key, consumer, messages: [], offset: 0, taken: 0 };
      lane.messages.push(...bodies);
      this.#lanes.set(name, lane);
    }
  }

  /** Lanes with something to deliver, by consumer and topic. */
  waiting(prefix = ''): readonly string[] {
    const waiting = [...this.#lanes.values()].filter(({ offset, messages }) => offset < messages.length);
    return waiting.map(({ name }) => name).filter((name) => name.startsWith(prefix));
  }

  /** @returns whether it was acknowledged: the next one can come */
  deliver(name: string): boolean {
    const lane = this.#lanes.get(name);
    if (lane === undefined || lane.offset >= lane.messages.length) return false;
    const { offset, messages, consumer, key } = lane;
    if (!this.#options.acknowledgesLast) lane.offset += 1;
    const handled = this.#faults.effect(`${shortened(name)} #${offset}`, () => {
      if (offset < lane.taken && this.#options.hasInbox) return;
      consumer(messages[offset]!, key);
      lane.taken = Math.max(lane.taken, offset + 1);
    });
    if (handled.answered) lane.offset = offset + 1;
    return handled.answered;
  }

  /** Some consumer of lanes of such names has lost its place: what it had comes once more. */
  rewind(prefix: string): void {
    const lanes = [...this.#lanes.values()].filter(({ name, offset }) => offset > 0 && name.startsWith(prefix));
    if (lanes.length === 0) return;
    const lane = this.#random.pick(lanes);
    const back = Math.min(lane.offset, 1 + this.#random.below(REWIND_MAX));
    lane.offset -= back;
    this.#trace.add(`${shortened(lane.name)}: the last ${back} come again`);
  }

  /** Until there is nothing on its way; nothing may go wrong meanwhile. */
  drain(): void {
    for (let waiting = this.waiting(); waiting.length > 0; waiting = this.waiting())
      for (const name of waiting) while (this.deliver(name));
  }
}
