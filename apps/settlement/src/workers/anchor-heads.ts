import type { Instant, Worker } from '@finality/kernel';
import { type HeadReference, isLater, referenceTo } from '@finality/ledger';
import { readHeads } from '@finality/ledger-store';
import { POOL_WALLET_ID } from '@finality/settlement';
import type { SettlementEnv, SettlementReader, SettlementStore } from '../env.ts';
import { readTransaction } from '../outbound/read-transaction.ts';
import type { RecoveryGate } from '../recovery-gate.ts';
import { LEDGER_ID, sealsStream } from '../store/streams.ts';
import { ownCause } from './cause.ts';

const POLL_MS = 1_000;
/** Where nothing could be planned (no coin that does, fees beyond the cap), or nothing has been sealed since. */
const RETRY_MS_MAX = 60_000;

/** So often, has the newest signed head of the ledger written into the chain. Which coin pays is decided in the batch; what is said, by the signer. */
export class AnchorHeads implements Worker {
  readonly name = 'settlement anchor heads';
  readonly pollMs = POLL_MS;
  readonly #env: SettlementEnv;
  readonly #store: SettlementStore;
  readonly #reader: SettlementReader;
  readonly #gate: RecoveryGate;
  readonly #apartMs: number;
  /** Until then nothing is due. In memory: after a start it is looked at once. */
  #dueAt = 0 as Instant;

  constructor(
    env: SettlementEnv,
    store: SettlementStore,
    reader: SettlementReader,
    gate: RecoveryGate,
    apartMs: number,
  ) {
    this.#env = env;
    this.#store = store;
    this.#reader = reader;
    this.#gate = gate;
    this.#apartMs = apartMs;
  }

  async step(): Promise<'progress' | 'idle'> {
    const { runtime } = this.#env;
    if (!this.#gate.isOpen || runtime.now() < this.#dueAt) return 'idle';
    const last = await this.#last();
    const next = (last === undefined ? 0 : last.plannedAt + this.#apartMs) as Instant;
    if (runtime.now() < next) {
      this.#dueAt = next;
      return 'idle';
    }
    this.#dueAt = (runtime.now() + Math.min(this.#apartMs, RETRY_MS_MAX)) as Instant;
    const head = await this.#newest();
    if (head === undefined || (last !== undefined && !isLater(head, last.head))) return 'idle';
    const request = { head, walletId: POOL_WALLET_ID };
    const cause = ownCause(this.#env, runtime.id());
    const [outcome] = await this.#store.execute([{ body: { type: 'anchor_head', request }, cause }]);
    if (outcome?.kind === 'failed') throw outcome.error;
    return 'progress';
  }

  /** The lineage planned last, whatever became of it. */
  async #last(): Promise<{ readonly head: HeadReference; readonly plannedAt: number } | undefined> {
    const { rows } = await this.#env.pool.query<HeadReference & { planned_at: bigint }>(
      'SELECT epoch, segment, hash, planned_at FROM head_anchors ORDER BY planned_at DESC LIMIT 1',
    );
    return rows.map(({ planned_at: at, ...head }) => ({ head, plannedAt: Number(at) }))[0];
  }

  async #newest(): Promise<HeadReference | undefined> {
    const { state: seals } = await this.#reader.loadState(sealsStream, LEDGER_ID);
    const [head] = await readTransaction(this.#env.pool, (session) => readHeads(session, seals.segment, 1));
    return head && referenceTo(head);
  }
}
