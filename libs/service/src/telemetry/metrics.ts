import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { errorMessage } from '../startup-error.ts';
import type { Log } from '../logging/log.ts';

/** Values of a metric's own labels; `service` is added. */
export type Labels = Readonly<Record<string, string>>;

export interface ServiceMetrics {
  /** Only grows; the name ends in `_total`. */
  counter(name: string, help: string, labels?: readonly string[]): { inc(labels?: Labels, by?: number): void };
  gauge(name: string, help: string, labels?: readonly string[]): { set(value: number, labels?: Labels): void };
  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly string[],
  ): { observe(value: number, labels?: Labels): void };
  /** A gauge that is read when somebody scrapes; absent while reading fails. */
  watch(name: string, help: string, labels: Labels, read: () => number | Promise<number>): void;
  /** The same, with one series for each value that the label has by then. */
  watchEach(name: string, help: string, label: string, read: () => Promise<ReadonlyMap<string, number>>): void;
}

/** Series of one gauge, and what they are when somebody scrapes. */
interface Reader {
  readonly labels: Labels;
  read(): Promise<readonly { readonly labels: Labels; readonly value: number }[]>;
}

/** Durations from a millisecond to a minute, in seconds as Prometheus wants them. */
export const SECONDS_BUCKETS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;

/**
 * The metrics of one process. Services that share it share the registry too: a metric is registered once, with the label `service`, and
 * each service writes its own series.
 */
export class Metrics {
  readonly registry = new Registry();
  readonly #log: Log;
  readonly #readers = new Map<string, Reader[]>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Prometheus text exposition format. */
  async render(): Promise<{ contentType: string; body: string }> {
    return { contentType: this.registry.contentType, body: await this.registry.metrics() };
  }

  forService(service: string): ServiceMetrics {
    return {
      counter: (name, help, labels = []) => {
        const counter = this.#once(
          name,
          labels,
          () => new Counter({ ...this.#config(name, help, labels) }),
          Counter<string>,
        );
        return { inc: (values = {}, by = 1) => counter.inc({ ...values, service }, by) };
      },
      gauge: (name, help, labels = []) => {
        const gauge = this.#once(name, labels, () => new Gauge({ ...this.#config(name, help, labels) }), Gauge<string>);
        return { set: (value, values = {}) => gauge.set({ ...values, service }, value) };
      },
      histogram: (name, help, buckets, labels = []) => {
        const make = (): Histogram<string> =>
          new Histogram({ ...this.#config(name, help, labels), buckets: [...buckets] });
        const histogram = this.#once(name, labels, make, Histogram<string>);
        return { observe: (value, values = {}) => histogram.observe({ ...values, service }, value) };
      },
      watch: (name, help, labels, read) => {
        const own = { ...labels, service };
        const each = async (): ReturnType<Reader['read']> => [{ labels: own, value: await read() }];
        this.#watch(name, help, Object.keys(labels), { labels: own, read: each });
      },
      watchEach: (name, help, label, read) => {
        const each = async (): ReturnType<Reader['read']> =>
          [...(await read())].map(([of, value]) => ({ labels: { [label]: of, service }, value }));
        this.#watch(name, help, [label], { labels: { service }, read: each });
      },
    };
  }

  #watch(name: string, help: string, names: readonly string[], reader: Reader): void {
    const readers = this.#readers.get(name) ?? [];
    this.#readers.set(name, readers);
    readers.push(reader);
    const collect = async (): Promise<void> => {
      gauge.reset();
      await Promise.all(readers.map((each) => this.#read(name, each, gauge)));
    };
    const gauge = this.#once(
      name,
      names,
      () => new Gauge({ ...this.#config(name, help, names), collect }),
      Gauge<string>,
    );
  }

  async #read(name: string, reader: Reader, gauge: Gauge): Promise<void> {
    try {
      for (const { labels, value } of await reader.read()) gauge.set({ ...labels }, value);
    } catch (error) {
      this.#log.warn({ metric: name, ...reader.labels, error: errorMessage(error) }, 'a metric could not be read');
    }
  }

  #config(
    name: string,
    help: string,
    labels: readonly string[],
  ): { name: string; help: string; labelNames: string[]; registers: Registry[] } {
    return { name, help, labelNames: ['service', ...labels], registers: [this.registry] };
  }

  /** Two services that mean different things by one name would overwrite each other: a bug. */
  #once<M extends object>(
    name: string,
    labels: readonly string[],
    make: () => M,
    kind: abstract new (...args: never[]) => M,
  ): M {
    const existing: unknown = this.registry.getSingleMetric(name);
    if (existing === undefined) {
      this.#labels.set(name, labels.join());
      return make();
    }
    if (existing instanceof kind && this.#labels.get(name) === labels.join()) return existing;
    throw new Error(`metric ${name} is registered already, as another kind or with other labels`);
  }

  readonly #labels = new Map<string, string>();
}
