import { streamOf } from '@finality/event-store';
import type { Runtime } from '@finality/kernel';
import type { ChainTip } from '@finality/settlement';
import type { Commits } from './commits.ts';
import type { SettlementReader } from './env.ts';
import { CHAIN_TIP_ID, chainTipStream } from './store/streams.ts';

/** A process that stands by hears of a block at the latest after so long. */
const READ_AGAIN_MS = 1_000;
const STREAM = streamOf(chainTipStream, CHAIN_TIP_ID);

/** Height of the last block that the ledger has consumed, without asking the database for each answer that shows it. */
export class ShownHeight {
  readonly #reader: SettlementReader;
  readonly #runtime: Runtime;
  #known: { readonly height: number; readonly atMs: number } | undefined;

  constructor({ reader, runtime, commits }: { reader: SettlementReader; runtime: Runtime; commits: Commits }) {
    this.#reader = reader;
    this.#runtime = runtime;
    commits.listen((changes) => {
      const last = changes.findLast(({ event }) => event.stream === STREAM);
      if (last) this.#learn((last.after as ChainTip).height);
    });
  }

  async now(): Promise<number> {
    const known = this.#known;
    if (known && this.#runtime.monotonicMs() - known.atMs < READ_AGAIN_MS) return known.height;
    const { state } = await this.#reader.loadState(chainTipStream, CHAIN_TIP_ID);
    // What was committed meanwhile is newer than what was read.
    if (this.#known === known) this.#learn(state.height);
    return this.#known!.height;
  }

  #learn(height: number): void {
    this.#known = { height, atMs: this.#runtime.monotonicMs() };
  }
}
