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
  /** Checks that fail. */
  readonly failing: string;
}

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

  isWriter(place: Place): boolean {
    return this.writer(place.service) === place;
  }

  /** The first one while it isn't known. */
  writer(service: ServiceName): Place {
    const places = this.#places.filter((place) => place.service === service);
    const writes = places.find((place) => this.#seen.get(place)?.status === 'ready');
    return writes ?? places.find((place) => this.#seen.get(place)?.status === 'not_ready') ?? places[0]!;
  }

  /** A service is well when one of its processes writes; whether another one stands by is told besides. */
  async check(service: ServiceName): Promise<CheckResult> {
    await this.step();
    const places = this.#places.filter((place) => place.service === service);
    const states = places.map((place) => this.#seen.get(place) ?? { status: UNREACHABLE, failing: '' });
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
      const { status, checks } = (await answer.json()) as HealthReport;
      const failing = Object.entries(checks).flatMap(([name, { ok }]) => (ok ? [] : [name]));
      return { status, failing: failing.join(', ') };
    } catch {
      return { status: UNREACHABLE, failing: '' };
    } finally {
      // With a reason of our own: the default one is an exception with a stack, made each time.
      ended.abort('answered');
    }
  }
}
