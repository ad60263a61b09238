import type { LedgerHead, SignedHead } from '@finality/ledger';
import { nextHead, readUnsealed, SEGMENT_ENTRIES_MAX } from '@finality/ledger-store';
import { type Instant, type Worker } from '@finality/kernel';
import type { SettlementEnv, SettlementReader, SettlementStore } from '../env.ts';
import { readTransaction } from '../outbound/read-transaction.ts';
import type { SettlementCommand } from '../store/commands.ts';
import { headMessage } from '../inbound/ledger-head-view.ts';
import { LEDGER_ID, sealsStream } from '../store/streams.ts';

const POLL_MS = 1_000;

/** Seals what has been entered for a while, or a lot of it; what is sealed goes to the signer, and the next segment waits for its signature. */
export class SealLedger implements Worker {
  readonly name = 'settlement seal ledger';
  readonly pollMs = POLL_MS;
  readonly #env: SettlementEnv;
  readonly #store: SettlementStore;
  readonly #reader: SettlementReader;

  constructor(env: SettlementEnv, store: SettlementStore, reader: SettlementReader) {
    this.#env = env;
    this.#store = store;
    this.#reader = reader;
  }

  async step(): Promise<'progress' | 'idle'> {
    const { state: seals } = await this.#reader.loadState(sealsStream, LEDGER_ID);
    if (seals.unsigned !== undefined) {
      await this.#execute({ type: 'head_signed', head: await this.#sign(seals.unsigned) });
      return 'progress';
    }
    const { pool, runtime, config } = this.#env;
    const head = await readTransaction(pool, async (session) => {
      const unsealed = await readUnsealed(session, seals);
      const isDue =
        unsealed !== undefined &&
        (unsealed.entries >= SEGMENT_ENTRIES_MAX || runtime.now() - unsealed.since >= config.sealAfterMs);
      if (!isDue) return undefined;
      const { epoch } = await this.#reader.head();
      return nextHead(session, seals, { epoch, sealedAt: runtime.now() });
    });
    if (head === undefined) return 'idle';
    await this.#execute({ type: 'segment_sealed', head });
    return 'progress';
  }

  async #sign(head: LedgerHead): Promise<SignedHead> {
    const { signature, publicKey } = await this.#env.signer.signLedgerHead(headMessage(head));
    return { ...head, signature, publicKey };
  }

  async #execute(body: SettlementCommand): Promise<void> {
    const { runtime } = this.#env;
    const now: Instant = runtime.now();
    const id = runtime.id();
    const cause = {
      actor: { kind: 'service', id: 'settlement' },
      occurredAt: now,
      correlationId: id,
      causationId: id,
    } as const;
    const [outcome] = await this.#store.execute([{ body, cause }]);
    if (outcome?.kind === 'failed') throw outcome.error;
  }
}
