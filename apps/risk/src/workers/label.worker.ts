import type { Worker } from '@finality/kernel';
import type { LabelLoader } from '../outbound/label-loader.ts';

/** A list changed on disk counts within this time. */
const POLL_MS = 30_000;

/** Takes over lists of labels that have changed, while the service runs. */
export class LabelWorker implements Worker {
  readonly name = 'risk.labels';
  readonly pollMs = POLL_MS;
  readonly #loader: LabelLoader;

  constructor(loader: LabelLoader) {
    this.#loader = loader;
  }

  /** Throws when a list can't be read, so that it shows; what was loaded before goes on counting, and without it screening fails closed. */
  async step(): Promise<'progress' | 'idle'> {
    const { changed, problems } = await this.#loader.load();
    if (problems.length > 0) throw new Error(`label lists: ${problems.join('; ')}`);
    return changed ? 'progress' : 'idle';
  }
}
