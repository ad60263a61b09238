import type { Worker } from '@finality/kernel';
import type { SettlementEnv, SettlementReader, SettlementStore } from '../env.ts';
import type { RecoveryGate } from '../recovery-gate.ts';
import type { WindowCommand } from '../store/window-commands.ts';
import { NETTING_ID, nettingStream } from '../store/streams.ts';
import { ownCause } from './cause.ts';

const POLL_MS = 1_000;

/** Who closes windows by the clock, and why. */
const SCHEDULE = { by: 'schedule', reason: 'open for WINDOW_SECONDS' } as const;

/** With WINDOW_SECONDS: opens the first window, and closes each that has been open for so long. A window that somebody else closes first is left to him. */
export class CloseWindows implements Worker {
  readonly name = 'settlement close windows';
  readonly pollMs = POLL_MS;
  readonly #env: SettlementEnv;
  readonly #store: SettlementStore;
  readonly #reader: SettlementReader;
  readonly #gate: RecoveryGate;
  readonly #openMs: number;

  constructor(
    env: SettlementEnv,
    store: SettlementStore,
    reader: SettlementReader,
    gate: RecoveryGate,
    openMs: number,
  ) {
    this.#env = env;
    this.#store = store;
    this.#reader = reader;
    this.#gate = gate;
    this.#openMs = openMs;
  }

  async step(): Promise<'progress' | 'idle'> {
    if (!this.#gate.isOpen) return 'idle';
    const commands = await this.#due();
    if (commands.length === 0) return 'idle';
    const cause = ownCause(this.#env, this.#env.runtime.id());
    const outcomes = await this.#store.execute(commands.map((body) => ({ body, cause })));
    for (const outcome of outcomes) if (outcome.kind === 'failed') throw outcome.error;
    return 'progress';
  }

  async #due(): Promise<readonly WindowCommand[]> {
    const { runtime } = this.#env;
    const { multilateral, pairs } = (await this.#reader.loadState(nettingStream, NETTING_ID)).state;
    if (multilateral === undefined) return [{ type: 'open_window', windowId: runtime.id() }];
    const agreed = Object.values(pairs).flatMap((pair) => (pair.status === 'agreed' ? [pair.window] : []));
    return [multilateral, ...agreed]
      .filter(({ openedAt }) => openedAt + this.#openMs <= runtime.now())
      .map(({ windowId }) => ({
        type: 'close_window',
        closing: { windowId, nextWindowId: runtime.id(), ...SCHEDULE },
      }));
  }
}
