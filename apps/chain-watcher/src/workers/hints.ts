import type { Txid } from '@finality/bitcoin';

/** How the node lets us know that something has happened. */
export type PushChannel = 'polling' | 'zmq' | 'websocket';

/** More than that waiting: all is looked at instead. */
const ARRIVED_MAX = 50_000;

/** What the node has told unasked and nobody has looked at yet. Lost with the process: polling finds the same, later. */
export class Hints {
  #arrived: readonly Txid[] = [];
  #missed = false;
  channel: PushChannel = 'polling';

  add(arrived: readonly Txid[], missed: boolean): void {
    const isTooMuch = this.#arrived.length + arrived.length > ARRIVED_MAX;
    this.#arrived = isTooMuch ? [] : [...this.#arrived, ...arrived];
    this.#missed ||= missed || isTooMuch;
  }

  /** At most `max` transactions that have come into the mempool; each is handed out once. */
  takeArrived(max: number): readonly Txid[] {
    const taken = this.#arrived.slice(0, max);
    this.#arrived = this.#arrived.slice(max);
    return taken;
  }

  /** Whether messages have been missed since this was asked last. */
  takeMissed(): boolean {
    const missed = this.#missed;
    this.#missed = false;
    return missed;
  }
}
