import { hexFromBytes, parseOutpointKey, verifySignatures } from '@finality/bitcoin';
import type { signingV1 } from '@finality/contracts';
import { assert, type Instant, unwrap, type Worker } from '@finality/kernel';
import { refusalOf, withSpan } from '@finality/service';
import { living, type OfferedLineage, type Terms } from '@finality/settlement';
import type { SettlementEnv, SettlementReader, SettlementStore } from '../env.ts';
import type { SettlementCommand } from '../store/commands.ts';
import { lineageStream, settlementStream } from '../store/streams.ts';
import { causesOfWork } from './cause.ts';

const LINEAGES_MAX = 50;
const POLL_MS = 1_000;

/** Offered transactions are signed, and the signed one is stored before anybody broadcasts it. */
export class SignPayouts implements Worker {
  readonly name = 'settlement sign payouts';
  readonly pollMs = POLL_MS;
  readonly #env: SettlementEnv;
  readonly #store: SettlementStore;
  readonly #reader: SettlementReader;
  /** When to ask again for what was refused. In memory: after a restart everything is asked for at once. */
  readonly #retryAt = new Map<string, Instant>();

  constructor(env: SettlementEnv, store: SettlementStore, reader: SettlementReader) {
    this.#env = env;
    this.#store = store;
    this.#reader = reader;
  }

  async step(): Promise<'progress' | 'idle'> {
    const { pool, runtime } = this.#env;
    const refused = [...this.#retryAt].filter(([, at]) => at > runtime.now()).map(([lineageId]) => lineageId);
    const { rows } = await pool.query<{ lineage_id: string }>(
      `SELECT lineage_id FROM lineages WHERE status = 'offered' AND NOT signed AND NOT lineage_id = ANY($1::text[])
       ORDER BY planned_position LIMIT ${LINEAGES_MAX}`,
      [refused],
    );
    if (rows.length === 0) return 'idle';
    for (const { lineage_id: lineageId } of rows) await this.#sign(lineageId);
    return 'progress';
  }

  async #sign(lineageId: string): Promise<void> {
    const { state } = await this.#reader.loadState(lineageStream, lineageId);
    if (state.status !== 'offered' || state.signedHex !== undefined) return;
    const { terms } = living((await this.#reader.loadState(settlementStream, state.plan.settlementId)).state);
    const { epoch } = await this.#reader.head();
    const [cause] = await causesOfWork(this.#env, [state.plan.settlementId]);
    const span = { traceparent: cause?.traceparent, attributes: { 'finality.txid': state.version.txid } };
    await withSpan('sign payout', span, async (traceparent) => {
      const body = await this.#ask(state, terms, epoch);
      this.#env.faults?.at('settlement.signed');
      const continued = { ...cause!, ...(traceparent === undefined ? {} : { traceparent }) };
      const [outcome] = await this.#store.execute([{ body, cause: continued }]);
      if (outcome?.kind === 'failed') throw outcome.error;
    });
  }

  /** Refusals of the signer's policy are recorded; anything else (it is down, it is busy) is tried again by the next step. */
  async #ask(lineage: OfferedLineage, terms: Terms, epoch: number): Promise<SettlementCommand> {
    const { lineageId } = lineage.plan;
    try {
      const { signedTransaction } = await this.#env.signer.signTransaction(requestOf(lineage, terms, epoch));
      this.#retryAt.delete(lineageId);
      const checked = verifySignatures(signedTransaction, lineage.plan.inputs);
      assert(checked.ok, 'the signer gave a transaction whose signatures do not hold');
      return { type: 'transaction_signed', lineageId, signedHex: hexFromBytes(signedTransaction) };
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal?.kind !== 'failed_precondition') throw error;
      this.#retryAt.set(lineageId, (this.#env.runtime.now() + this.#env.config.signingRetryMs) as Instant);
      return { type: 'signing_refused', lineageId, rule: refusal.reason };
    }
  }
}

function requestOf({ plan, version }: OfferedLineage, terms: Terms, epoch: number): signingV1.SignTransactionRequest {
  return {
    lineageId: plan.lineageId,
    version: version.version,
    walletId: plan.walletId,
    anchor: plan.anchor,
    unsignedTransaction: Buffer.from(version.unsignedHex, 'hex'),
    epoch,
    inputs: plan.inputs.map(({ outpoint, valueSats, branch, index }) => {
      unwrap(parseOutpointKey(outpoint));
      return { outpoint, valueSats, branch, index };
    }),
    outputs: version.outputs.map(({ role, valueSats, destination: { walletId, branch, index } }) =>
      role === 'change'
        ? { valueSats, change: { index }, payee: undefined }
        : {
            valueSats,
            change: undefined,
            payee: { settlementId: plan.settlementId, institutionId: plan.payeeInstitutionId, walletId, branch, index },
          },
    ),
    authorisation: {
      payouts: [
        {
          settlementId: terms.settlementId,
          payerInstitutionId: terms.from,
          payeeInstitutionId: terms.to,
          amountSats: terms.amountSats,
          // None of these issuers signs yet: the fields are empty until they do (DESIGN 9).
          requestSignature: Buffer.alloc(0),
          requestKeyId: '',
          requestNonce: '',
          riskVerdictSignature: Buffer.alloc(0),
          amlVerdictSignature: Buffer.alloc(0),
          approvalSignatures: [],
        },
      ],
    },
  };
}
