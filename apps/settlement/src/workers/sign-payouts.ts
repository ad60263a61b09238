import { hexFromBytes, verifySignatures } from '@finality/bitcoin';
import type { signingV1 } from '@finality/contracts';
import { assert, type Instant, type Worker } from '@finality/kernel';
import { refusalOf, withSpan } from '@finality/service';
import { latest, living, type OfferedLineage, type OfferedVersion, stopsSigning } from '@finality/settlement';
import type { SettlementEnv, SettlementReader, SettlementStore } from '../env.ts';
import type { SettlementCommand } from '../store/commands.ts';
import { CHAIN_TIP_ID, chainTipStream, lineageStream, settlementStream } from '../store/streams.ts';
import type { RecoveryGate } from '../recovery-gate.ts';
import { signingRequestOf } from '../outbound/signing-request.ts';
import { causesOfLineages } from './cause.ts';

const LINEAGES_MAX = 50;
const POLL_MS = 1_000;

/** Offered transactions are signed, and the signed one is stored before anybody broadcasts it. */
export class SignPayouts implements Worker {
  readonly name = 'settlement sign payouts';
  readonly pollMs = POLL_MS;
  readonly #env: SettlementEnv;
  readonly #store: SettlementStore;
  readonly #reader: SettlementReader;
  readonly #gate: RecoveryGate;
  /** When to ask again for what was refused. In memory: after a restart everything is asked for at once. */
  readonly #retryAt = new Map<string, Instant>();

  constructor(env: SettlementEnv, store: SettlementStore, reader: SettlementReader, gate: RecoveryGate) {
    this.#env = env;
    this.#store = store;
    this.#reader = reader;
    this.#gate = gate;
  }

  async step(): Promise<'progress' | 'idle'> {
    if (!this.#gate.isOpen) return 'idle';
    const { pool, runtime } = this.#env;
    const refused = [...this.#retryAt].filter(([, at]) => at > runtime.now()).map(([lineageId]) => lineageId);
    const { rows } = await pool.query<{ lineage_id: string }>(
      `SELECT lineage_id FROM lineages WHERE to_sign AND NOT lineage_id = ANY($1::text[])
       ORDER BY planned_position LIMIT ${LINEAGES_MAX}`,
      [refused],
    );
    if (rows.length === 0) return 'idle';
    for (const { lineage_id: lineageId } of rows) {
      // Asked anew before each: while somebody has to look at something, nothing is signed.
      const { state: tip } = await this.#reader.loadState(chainTipStream, CHAIN_TIP_ID);
      if (stopsSigning(tip)) return 'idle';
      await this.#sign(lineageId);
    }
    return 'progress';
  }

  async #sign(lineageId: string): Promise<void> {
    const { state: lineage } = await this.#reader.loadState(lineageStream, lineageId);
    if (lineage.status !== 'offered') return;
    const version = latest(lineage);
    if (version.signedHex !== undefined) return;
    const settlementIds = version.payouts.map(({ settlementId }) => settlementId);
    const settlements = await this.#reader.loadStates(settlementStream, settlementIds);
    const { epoch } = await this.#reader.head();
    const { network } = this.#env.config;
    const [cause] = await causesOfLineages(this.#env, [{ ...lineage, payouts: version.payouts }]);
    const span = { traceparent: cause?.traceparent, attributes: { 'finality.txid': version.txid } };
    await withSpan('sign payout', span, async (traceparent) => {
      const paid = settlements.map(({ state }) => living(state));
      const body = await this.#ask(lineage, version, signingRequestOf(lineage, version, paid, { epoch, network }));
      this.#env.faults?.at('settlement.signed');
      const continued = { ...cause!, ...(traceparent === undefined ? {} : { traceparent }) };
      const [outcome] = await this.#store.execute([{ body, cause: continued }]);
      if (outcome?.kind === 'failed') throw outcome.error;
    });
  }

  /** Refusals of the signer's policy are recorded; anything else (it is down, it is busy) is tried again by the next step. */
  async #ask(
    { lineageId }: OfferedLineage,
    { version, inputs }: OfferedVersion,
    request: signingV1.SignTransactionRequest,
  ): Promise<SettlementCommand> {
    try {
      const { signedTransaction } = await this.#env.signer.signTransaction(request);
      this.#retryAt.delete(lineageId);
      const checked = verifySignatures(signedTransaction, inputs);
      assert(checked.ok, 'the signer gave a transaction whose signatures do not hold');
      return { type: 'transaction_signed', lineageId, version, signedHex: hexFromBytes(signedTransaction) };
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal?.kind !== 'failed_precondition') throw error;
      this.#retryAt.set(lineageId, (this.#env.runtime.now() + this.#env.config.signingRetryMs) as Instant);
      return { type: 'signing_refused', lineageId, version, rule: refusal.reason };
    }
  }
}
