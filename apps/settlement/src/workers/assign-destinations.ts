import { addressV1 } from '@finality/contracts';
import { parseScriptHex } from '@finality/bitcoin';
import { assert, unwrap, type Worker } from '@finality/kernel';
import type { Destination, Destinations, LineagePlan } from '@finality/settlement';
import type { SettlementEnv, SettlementReader, SettlementStore } from '../env.ts';
import { lineageStream } from '../store/streams.ts';
import { causesOfWork } from './cause.ts';

const LINEAGES_MAX = 100;
const POLL_MS = 1_000;

/** Planned payouts get the addresses that they pay and that their change goes to; then the transaction is built and offered. */
export class AssignDestinations implements Worker {
  readonly name = 'settlement assign destinations';
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
    const { rows } = await this.#env.pool.query<{ lineage_id: string }>(
      `SELECT lineage_id FROM lineages WHERE status = 'planned' ORDER BY planned_position LIMIT ${LINEAGES_MAX}`,
    );
    if (rows.length === 0) return 'idle';
    const loaded = await this.#reader.loadStates(
      lineageStream,
      rows.map((row) => row.lineage_id),
    );
    const plans = loaded.flatMap(({ state }) => (state.status === 'planned' ? [state.plan] : []));
    // Together, so that the issuer can handle them in one batch. Whoever gets no address doesn't hold up the others.
    const issued = await Promise.allSettled(plans.map((plan) => this.#destinationsOf(plan)));
    this.#env.faults?.at('settlement.destinations-issued');
    await this.#assign(
      plans.flatMap((plan, i) => {
        const result = issued[i];
        return result?.status === 'fulfilled' ? [{ plan, destinations: result.value }] : [];
      }),
    );
    const failed = issued.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return 'progress';
  }

  async #assign(assigned: readonly { plan: LineagePlan; destinations: Destinations }[]): Promise<void> {
    const causes = await causesOfWork(
      this.#env,
      assigned.map(({ plan }) => plan.settlementId),
    );
    const outcomes = await this.#store.execute(
      assigned.map(({ plan, destinations }, i) => ({
        body: { type: 'destinations_assigned', lineageId: plan.lineageId, destinations },
        cause: causes[i]!,
      })),
    );
    for (const outcome of outcomes) if (outcome.kind === 'failed') throw outcome.error;
  }

  async #destinationsOf(plan: LineagePlan): Promise<Destinations> {
    const { ADDRESS_PURPOSE_SETTLEMENT, ADDRESS_PURPOSE_CHANGE } = addressV1.AddressPurpose;
    const payee = await this.#issue(plan, plan.payeeWalletId, ADDRESS_PURPOSE_SETTLEMENT, 'payee');
    if (plan.changeSats === 0n) return { payee };
    return { payee, change: await this.#issue(plan, plan.walletId, ADDRESS_PURPOSE_CHANGE, 'change') };
  }

  /** The same key gives the same address, however often it is asked for. */
  async #issue(
    plan: LineagePlan,
    walletId: string,
    purpose: addressV1.AddressPurpose,
    role: string,
  ): Promise<Destination> {
    const address = await this.#env.addresses.issueInternalAddress({
      idempotencyKey: `${plan.lineageId}:${role}`,
      walletId,
      purpose,
      label: `settlement ${plan.settlementId}`,
    });
    assert(address.walletId === walletId, `asked for an address of ${walletId}, got one of ${address.walletId}`);
    assert(address.branch === 0 || address.branch === 1, `expected branch 0 or 1, got ${address.branch}`);
    return { walletId, script: unwrap(parseScriptHex(address.script)), branch: address.branch, index: address.index };
  }
}
