import type { ServiceName } from '@finality/contracts';
import type { Runtime, Worker } from '@finality/kernel';
import type { CheckResult, HealthReport } from '@finality/service';
import { HOST } from '../ports.ts';
import type { Place } from './fleet.ts';

const POLL_MS = 200;
const ANSWER_MS_MAX = 2_000;
const UNREACHABLE = 'unreachable';

interface Seen {
  readonly status: HealthReport['status'] | typeof UNREACHABLE;
  readonly writes: boolean;
  /** Checks that fail. */
  readonly failing: string;
}

const LOST: Seen = { status: UNREACHABLE, writes: false, failing: '' };

/** How every process is, as its `/readyz` says, and so which one of a service writes. */
export class ProcessView implements Worker {
  readonly name = 'process view';
  readonly pollMs = POLL_MS;
  readonly #places: readonly Place[];
  readonly #runtime: Runtime;
  readonly #seen = new Map<Place, Seen>();

  constructor(options: { readonly places: readonly Place[]; readonly runtime: Runtime }) {
    this.#places = options.places;
    this.#runtime = options.runtime;
  }

  async step(): Promise<'idle'> {
    await Promise.all(this.#places.map(async (place) => this.#seen.set(place, await this.#ask(place))));
    return 'idle';
  }

  /** Undefined while none does, as far as is known. One that is well comes first: of two that say so, the other was stopped and doesn't know yet. */
  writer(service: ServiceName): Place | undefined {
    const writing = this.#of(service).filter((place) => this.#seen.get(place)?.writes);
    return writing.find((place) => this.#seen.get(place)?.status === 'ready') ?? writing[0];
  }

  /** Whom to ask: the one that writes; while there is none, one that can at least say so. */
  backend(service: ServiceName): Place {
    const places = this.#of(service);
    const answers = (place: Place): boolean => (this.#seen.get(place)?.status ?? UNREACHABLE) !== UNREACHABLE;
    return this.writer(service) ?? places.find(answers) ?? places[0]!;
  }

  #of(service: ServiceName): readonly Place[] {
    return this.#places.filter((place) => place.service === service);
  }

  /** A service is well when one of its processes writes; whether another one stands by is told besides. */
  async check(service: ServiceName): Promise<CheckResult> {
    await this.step();
    const places = this.#of(service);
    const states = places.map((place) => this.#seen.get(place) ?? LOST);
    const detail = Object.fromEntries(
      places.map(({ instance }, i) => [instance, [states[i]!.status, states[i]!.failing].filter(Boolean).join(': ')]),
    );
    return { ok: states.some(({ status }) => status === 'ready'), detail };
  }

  async #ask({ ports }: Place): Promise<Seen> {
    const inTime = new AbortController();
    const ended = new AbortController();
    void this.#runtime.sleep(ANSWER_MS_MAX, ended.signal).then(() => {
      if (!ended.signal.aborted) inTime.abort('late');
    });
    try {
      const answer = await fetch(`http://${HOST}:${ports.http}/readyz`, { signal: inTime.signal });
      const { status, writes, checks } = (await answer.json()) as HealthReport;
      const failing = Object.entries(checks).flatMap(([name, { ok }]) => (ok ? [] : [name]));
      return { status, writes, failing: failing.join(', ') };
    } catch {
      return LOST;
    } finally {
      // With a reason of our own: the default one is an exception with a stack, made each time.
      ended.abort('answered');
    }
  }
}
