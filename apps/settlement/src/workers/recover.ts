import type { StoreCommand } from '@finality/event-store';
import { assert, type CauseContext, type Worker } from '@finality/kernel';
import { DIFFERENCES_MAX, type Recovery } from '@finality/settlement';
import type { SettlementEnv, SettlementReader, SettlementStore } from '../env.ts';
import { claimOf } from '../inbound/submission.ts';
import { entryOf, type JournalEntry } from '../outbound/signed-transactions.ts';
import type { RecoveryGate } from '../recovery-gate.ts';
import type { SettlementCommand } from '../store/commands.ts';
import { limitsStream, RECOVERY_ID, recoveryStream } from '../store/streams.ts';

const POLL_MS = 1_000;
const CHECKED_PAGE = 1_000;
const IMPORTED_PAGE = 20;
/** Once so many entries are known to be known, the next start needn't look at them. */
const CHECKED_KEPT_MIN = 1_000n;

/**
 * At each start, before anything is decided: does this store know all that the signer has signed, or was told of as handed out? One that doesn't was restored from an older
 * copy: it begins a new epoch, imports what it lacks, and leaves the rest to reconciliation and an operator. Whatever is in its journal is
 * committed here first, so an unknown entry has no other explanation.
 */
export class Recover implements Worker {
  readonly name = 'settlement recover';
  readonly pollMs = POLL_MS;
  readonly #env: SettlementEnv;
  readonly #store: SettlementStore;
  readonly #reader: SettlementReader;
  readonly #gate: RecoveryGate;
  /** Imported up to here, or found to be known. */
  #position: bigint | undefined;

  constructor(env: SettlementEnv, store: SettlementStore, reader: SettlementReader, gate: RecoveryGate) {
    this.#env = env;
    this.#store = store;
    this.#reader = reader;
    this.#gate = gate;
  }

  async step(): Promise<'progress' | 'idle'> {
    if (this.#gate.isOpen) return 'idle';
    const { state } = await this.#reader.loadState(recoveryStream, RECOVERY_ID);
    if (state.status === 'normal' && this.#gate.status === 'starting') return this.#check(state);
    if (state.status === 'importing') return this.#import(state);
    this.#gate.become(state.status);
    this.#position = undefined;
    return 'idle';
  }

  async #check({ journalPosition }: Recovery): Promise<'progress'> {
    const after = this.#position ?? journalPosition;
    const { entries, lastPosition } = await this.#env.signer.listJournal({
      afterPosition: after,
      pageSize: CHECKED_PAGE,
    });
    const unknown = await this.#unknown(entries.map(({ txid }) => txid));
    const { epoch } = await this.#reader.head();
    const { epochHighest } = await this.#env.signer.listSigned({ afterPosition: lastPosition, pageSize: 1 });
    if (unknown.size > 0) return this.#begin(`the signer’s journal has ${unknown.values().next().value}, unknown here`);
    if (epochHighest > epoch) return this.#begin(`the signer has heard of epoch ${epochHighest}, this one is ${epoch}`);
    this.#position = entries.at(-1)?.position ?? after;
    if (this.#position < lastPosition) return 'progress';
    if (this.#position - journalPosition >= CHECKED_KEPT_MIN)
      await this.#execute({ type: 'journal_checked', position: this.#position });
    this.#gate.become('normal');
    return 'progress';
  }

  /** The signer first: from then on nobody who works on another copy gets a signature, and the journal is complete. */
  async #begin(reason: string): Promise<'progress'> {
    await beginRecovery(this.#env, this.#store, this.#reader, { reason, cause: this.#cause() });
    this.#gate.become('importing');
    this.#position = undefined;
    return 'progress';
  }

  async #import({ journalPosition }: Recovery): Promise<'progress'> {
    this.#gate.become('importing');
    if (this.#position === undefined) {
      // The copy may be of all our stores: what was issued since is as forgotten as what was signed.
      const { epoch } = await this.#reader.head();
      await this.#env.addresses.skipIndices({ epoch });
    }
    const after = this.#position ?? journalPosition;
    const { signed, lastPosition } = await this.#env.signer.listSigned({
      afterPosition: after,
      pageSize: IMPORTED_PAGE,
    });
    for (const entry of signed) await this.#importEntry(entryOf(entry));
    this.#position = signed.at(-1)?.position ?? after;
    if (this.#position < lastPosition) return 'progress';
    const { position: ledgerPosition } = await this.#reader.head();
    const journal = { position: this.#position, ledgerPosition, limitedIds: await this.#limited() };
    await this.#execute({ type: 'journal_imported', journal });
    return 'progress';
  }

  /** The settlements first, each under the key of its request: asked for again, it is the same one. */
  async #importEntry({ signed, settlements }: JournalEntry): Promise<void> {
    const adoptions = settlements.map(({ terms, receivedAt }): StoreCommand<SettlementCommand> => ({
      body: { type: 'adopt_settlement', terms, receivedAt },
      cause: this.#cause(),
      idempotency: claimOf({ ...terms, feeBearer: terms.fees.bearer }),
    }));
    const outcomes = await this.#store.execute([
      ...adoptions,
      { body: { type: 'import_transaction', signed }, cause: this.#cause() },
    ]);
    for (const outcome of outcomes) if (outcome.kind === 'failed') throw outcome.error;
  }

  /** Institutions whose limits count what is paid over a time, as far as they can be told of. */
  async #limited(): Promise<readonly string[]> {
    const prefix = `${limitsStream.aggregate.name}/`;
    const { rows } = await this.#env.pool.query<{ stream: string }>(
      'SELECT stream FROM stream_states WHERE starts_with(stream, $1) ORDER BY stream LIMIT $2',
      [prefix, DIFFERENCES_MAX],
    );
    const ids = rows.map(({ stream }) => stream.slice(prefix.length));
    const states = await this.#reader.loadStates(limitsStream, ids);
    return states.flatMap(({ state }) =>
      state.status === 'set' && state.windows.length > 0 ? [state.institutionId] : [],
    );
  }

  async #execute(body: SettlementCommand): Promise<void> {
    const [outcome] = await this.#store.execute([{ body, cause: this.#cause() }]);
    if (outcome?.kind === 'failed') throw outcome.error;
    assert(outcome?.kind === 'accepted', `${body.type} is accepted, not ${outcome?.kind}`);
  }

  async #unknown(txids: readonly string[]): Promise<ReadonlySet<string>> {
    const { rows } = await this.#env.pool.query<{ txid: string }>(
      `SELECT asked.txid FROM unnest($1::text[]) AS asked(txid)
       WHERE NOT EXISTS (SELECT 1 FROM lineage_versions v WHERE v.txid = asked.txid)`,
      [txids],
    );
    return new Set(rows.map(({ txid }) => txid));
  }

  #cause(): CauseContext {
    const id = this.#env.runtime.id();
    return {
      actor: { kind: 'service', id: 'settlement' },
      occurredAt: this.#env.runtime.now(),
      correlationId: id,
      causationId: id,
    };
  }
}

/** In a new epoch, of which the signer has heard. A crash in between leaves a number out. */
export async function beginRecovery(
  { signer }: SettlementEnv,
  store: SettlementStore,
  reader: SettlementReader,
  { reason, cause }: { readonly reason: string; readonly cause: CauseContext },
): Promise<void> {
  const { epoch: above } = await reader.head();
  const { epoch } = await signer.raiseEpoch({ above });
  const [outcome] = await store.execute([{ body: { type: 'begin_recovery', epoch, reason }, cause }]);
  if (outcome?.kind === 'failed') throw outcome.error;
}
