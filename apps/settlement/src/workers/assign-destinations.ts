import { addressV1 } from '@finality/contracts';
import { parseScriptHex } from '@finality/bitcoin';
import { assert, unwrap, type Worker } from '@finality/kernel';
import { type Destination, type Destinations, type LineagePlan, planOf } from '@finality/settlement';
import type { SettlementEnv, SettlementReader, SettlementStore } from '../env.ts';
import { lineageStream } from '../store/streams.ts';
import { causesOfLineages } from './cause.ts';

const LINEAGES_MAX = 100;
const POLL_MS = 1_000;

/** What is planned, and waits for no more payouts, gets the addresses that it pays and that its change goes to; then it is built and offered. */
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
      `SELECT lineage_id FROM lineages WHERE offer_at <= $1 ORDER BY offer_at, planned_position LIMIT ${LINEAGES_MAX}`,
      [this.#env.runtime.now()],
    );
    if (rows.length === 0) return 'idle';
    const loaded = await this.#reader.loadStates(
      lineageStream,
      rows.map((row) => row.lineage_id),
    );
    const plans = loaded.flatMap(({ state }) => planOf(state) ?? []);
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
    const causes = await causesOfLineages(
      this.#env,
      assigned.map(({ plan }) => plan),
    );
    const outcomes = await this.#store.execute(
      assigned.map(({ plan, destinations }, i) => ({
        body: { type: 'destinations_assigned', lineageId: plan.lineageId, version: plan.version, destinations },
        cause: causes[i]!,
      })),
    );
    for (const outcome of outcomes) if (outcome.kind === 'failed') throw outcome.error;
  }

  async #destinationsOf(plan: LineagePlan): Promise<Destinations> {
    const { ADDRESS_PURPOSE_SETTLEMENT: payee, ADDRESS_PURPOSE_CHANGE: change } = addressV1.AddressPurpose;
    const { lineageId, walletId, payouts } = plan;
    const issued = await Promise.all(
      payouts.map(async ({ settlementId, payeeWalletId }) => {
        const label = `settlement ${settlementId}`;
        return [settlementId, await this.#issue(`${settlementId}:payee`, payeeWalletId, payee, label)] as const;
      }),
    );
    const payees = Object.fromEntries(issued);
    if (plan.changeSats === 0n) return { payees };
    return { payees, change: await this.#issue(`${lineageId}:change`, walletId, change, `payouts of ${lineageId}`) };
  }

  /** The same key gives the same address, however often it is asked for, for whatever version. */
  async #issue(
    idempotencyKey: string,
    walletId: string,
    purpose: addressV1.AddressPurpose,
    label: string,
  ): Promise<Destination> {
    const address = await this.#env.addresses.issueInternalAddress({ idempotencyKey, walletId, purpose, label });
    assert(address.walletId === walletId, `asked for an address of ${walletId}, got one of ${address.walletId}`);
    assert(address.branch === 0 || address.branch === 1, `expected branch 0 or 1, got ${address.branch}`);
    return { walletId, script: unwrap(parseScriptHex(address.script)), branch: address.branch, index: address.index };
  }
}
