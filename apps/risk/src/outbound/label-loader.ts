import { readFile } from 'node:fs/promises';
import type { Runtime } from '@finality/kernel';
import { readLabelFile } from '@finality/risk';
import type { LabelListConfig } from '../config.ts';
import type { RiskStore } from '../tokens.ts';

/** Reads the configured lists of labels and makes them count when they have changed. */
export class LabelLoader {
  readonly #lists: readonly LabelListConfig[];
  readonly #store: RiskStore;
  readonly #runtime: Runtime;
  /** Last version handed to the store, by name: an unchanged file costs no transaction. */
  readonly #versions = new Map<string, string>();

  constructor(lists: readonly LabelListConfig[], store: RiskStore, runtime: Runtime) {
    this.#lists = lists;
    this.#store = store;
    this.#runtime = runtime;
  }

  /** What couldn't be read or isn't a list, in words, per list; the version loaded before goes on counting. */
  async load(): Promise<{ readonly changed: boolean; readonly problems: readonly string[] }> {
    const problems: string[] = [];
    let changed = false;
    for (const config of this.#lists) {
      const outcome = await this.#loadOne(config);
      if (outcome === 'changed') changed = true;
      else if (outcome !== 'unchanged') problems.push(outcome.problem);
    }
    return { changed, problems };
  }

  async #loadOne({
    name,
    format,
    path,
  }: LabelListConfig): Promise<'changed' | 'unchanged' | { readonly problem: string }> {
    const text = await readFile(path, 'utf8').catch((error: unknown) => ({ problem: `${name}: ${String(error)}` }));
    if (typeof text !== 'string') return text;
    const list = readLabelFile({ name, format, text });
    if (!list.ok) return { problem: `${name}: ${list.error}` };
    if (this.#versions.get(name) === list.value.version) return 'unchanged';
    const cause = {
      actor: { kind: 'service', id: 'risk' },
      occurredAt: this.#runtime.now(),
      correlationId: this.#runtime.id(),
      causationId: list.value.version,
    } as const;
    const [outcome] = await this.#store.execute([{ body: { kind: 'load_labels', list: list.value }, cause }]);
    if (outcome?.kind !== 'accepted') return { problem: `${name}: loading it ended ${outcome?.kind}` };
    this.#versions.set(name, list.value.version);
    return 'changed';
  }
}
