import type { Change } from '@finality/event-store';

type Listener = (changes: readonly Change[]) => void;

/** Tells those who count what this process has committed. */
export class Commits {
  readonly #listeners: Listener[] = [];

  /** @param listener mustn't throw */
  listen(listener: Listener): void {
    this.#listeners.push(listener);
  }

  tell(changes: readonly Change[]): void {
    for (const listener of this.#listeners) listener(changes);
  }
}
