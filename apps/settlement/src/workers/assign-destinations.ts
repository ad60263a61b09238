import { addressV1 } from '@finality/contracts';
import { parseScriptHex } from '@finality/bitcoin';
import { assert, type CauseContext, unwrap, type Worker } from '@finality/kernel';
import {
  type Destination,
  type Destinations,
  type LineagePayout,
  type LineagePlan,
  planOf,
  type WalletPlace,
} from '@finality/settlement';
import type { SettlementEnv, SettlementReader, SettlementStore } from '../env.ts';
import type { SettlementCommand } from '../store/commands.ts';
import { lineageStream, settlementStream } from '../store/streams.ts';
import { payoutToApprove, signedOf } from '../outbound/payout-to-approve.ts';
import type { RecoveryGate } from '../recovery-gate.ts';
import { causesOfLineages, causesOfWork } from './cause.ts';

const LINEAGES_MAX = 100;
/** Payouts that the signer is asked about at once. */
const CHECKED_MAX = 1_000;
const POLL_MS = 1_000;
/** The one rule of the signer about destinations that passes by itself. */
const COOLING = 'DESTINATION_COOLING';

/** What is planned, and waits for no more payouts, gets the addresses that it pays and that its change goes to; then it is built and offered. */
export class AssignDestinations implements Worker {
  readonly name = 'settlement assign destinations';
  readonly pollMs = POLL_MS;
  readonly #env: SettlementEnv;
  readonly #store: SettlementStore;
  readonly #reader: SettlementReader;
  readonly #gate: RecoveryGate;

  constructor(env: SettlementEnv, store: SettlementStore, reader: SettlementReader, gate: RecoveryGate) {
    this.#env = env;
    this.#store = store;
    this.#reader = reader;
    this.#gate = gate;
  }

  async step(): Promise<'progress' | 'idle'> {
    if (!this.#gate.isOpen) return 'idle';
    const { rows } = await this.#env.pool.query<{ lineage_id: string }>(
      `SELECT lineage_id FROM lineages WHERE offer_at <= $1 ORDER BY offer_at, planned_position LIMIT ${LINEAGES_MAX}`,
      [this.#env.runtime.now()],
    );
    if (rows.length === 0) return 'idle';
    const loaded = await this.#reader.loadStates(
      lineageStream,
      rows.map((row) => row.lineage_id),
    );
    const planned = loaded.flatMap(({ state }) => planOf(state) ?? []);
    const refused = new Set([...(await this.#refused(planned)), ...(await this.#unapproved(planned))]);
    const plans = planned.filter(({ lineageId }) => !refused.has(lineageId));
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
    return plans.length > 0 ? 'progress' : 'idle';
  }

  /**
   * Asks the signer before anything is offered that it wouldn't sign: a settlement whose destination has been removed fails, with nothing on its
   * way. One that cools still, by the signer's clock, waits.
   * @returns lineages to be left alone for now
   */
  async #refused(plans: readonly LineagePlan[]): Promise<ReadonlySet<string>> {
    const asked = plans
      .filter(({ version }) => version === 1)
      .flatMap(({ lineageId, payouts }) => payouts.flatMap((payout) => toDestination(lineageId, payout)));
    if (asked.length === 0) return new Set();
    const { rules } = await this.#env.signer.checkDestinations({
      destinations: asked.map(({ destinationId, institutionId }) => ({ destinationId, institutionId })),
    });
    const refused = asked.flatMap((each, i) => (rules[i] === '' ? [] : [{ ...each, rule: rules[i]! }]));
    const gone = refused.filter(({ rule }) => rule !== COOLING);
    await this.#tell(
      gone.map(({ settlementId, lineageId, rule }) => ({ type: 'destination_refused', lineageId, settlementId, rule })),
      await causesOfWork(
        this.#env,
        gone.map(({ settlementId }) => settlementId),
      ),
    );
    return new Set(refused.map(({ lineageId }) => lineageId));
  }

  /**
   * The same for approvals: a payout that has fewer than the signer asks for fails, instead of holding up its wallet's coins. What joins a later version
   * isn't asked for: the signer judges it.
   */
  async #unapproved(plans: readonly LineagePlan[]): Promise<readonly string[]> {
    const first = plans.filter(({ version, custodial }) => version === 1 && custodial);
    const lineageOf = new Map(
      first.flatMap(({ lineageId, payouts }) => payouts.map(({ settlementId }) => [settlementId, lineageId] as const)),
    );
    if (lineageOf.size === 0) return [];
    const states = await this.#reader.loadStates(settlementStream, [...lineageOf.keys()]);
    const payouts = states.flatMap(({ state }) =>
      state.status === 'reserved' ? (payoutToApprove(state.terms, signedOf(state.approvals)) ?? []) : [],
    );
    const ids: string[] = [];
    for (let i = 0; i < payouts.length; i += CHECKED_MAX) {
      const found = await this.#env.signer.checkApprovals({ payouts: payouts.slice(i, i + CHECKED_MAX) });
      const lacking = found.payouts.filter(({ required, signatories }) => signatories.length < required);
      ids.push(...lacking.map(({ settlementId }) => settlementId));
    }
    if (ids.length === 0) return [];
    await this.#tell(
      ids.map((settlementId) => ({
        type: 'destination_refused',
        lineageId: lineageOf.get(settlementId)!,
        settlementId,
        rule: 'APPROVALS_MISSING',
      })),
      await causesOfWork(this.#env, ids),
    );
    return ids.map((id) => lineageOf.get(id)!);
  }

  async #assign(assigned: readonly { plan: LineagePlan; destinations: Destinations }[]): Promise<void> {
    await this.#tell(
      assigned.map(({ plan: { lineageId, version }, destinations }) => ({
        type: 'destinations_assigned',
        lineageId,
        version,
        destinations,
      })),
      await causesOfLineages(
        this.#env,
        assigned.map(({ plan }) => plan),
      ),
    );
  }

  async #tell(bodies: readonly SettlementCommand[], causes: readonly CauseContext[]): Promise<void> {
    const outcomes = await this.#store.execute(bodies.map((body, i) => ({ body, cause: causes[i]! })));
    for (const outcome of outcomes) if (outcome.kind === 'failed') throw outcome.error;
  }

  async #destinationsOf(plan: LineagePlan): Promise<Destinations> {
    const { ADDRESS_PURPOSE_SETTLEMENT: payee, ADDRESS_PURPOSE_CHANGE: change } = addressV1.AddressPurpose;
    const { lineageId, walletId, payouts } = plan;
    const issued = await Promise.all(
      payouts.map(async ({ settlementId, payee: to }): Promise<readonly [string, Destination]> => {
        if (to.kind === 'destination') {
          const { destinationId, script } = to;
          return [settlementId, { destinationId, script }];
        }
        const label = `settlement ${settlementId}`;
        return [settlementId, await this.#issue(`${settlementId}:payee`, to, payee, label)];
      }),
    );
    const payees = Object.fromEntries(issued);
    if (plan.changeSats === 0n) return { payees };
    const own = { walletId };
    return { payees, change: await this.#issue(`${lineageId}:change`, own, change, `payouts of ${lineageId}`) };
  }

  /** The same key gives the same address, however often it is asked for, for whatever version. */
  async #issue(
    idempotencyKey: string,
    { walletId, destinationId }: { readonly walletId: string; readonly destinationId?: string },
    purpose: addressV1.AddressPurpose,
    label: string,
  ): Promise<WalletPlace> {
    const asked = { idempotencyKey, walletId, purpose, label, destinationId };
    const address = await this.#env.addresses.issueInternalAddress(asked);
    assert(address.walletId === walletId, `asked for an address of ${walletId}, got one of ${address.walletId}`);
    assert(address.branch === 0 || address.branch === 1, `expected branch 0 or 1, got ${address.branch}`);
    return { walletId, script: unwrap(parseScriptHex(address.script)), branch: address.branch, index: address.index };
  }
}

interface Asked {
  readonly lineageId: string;
  readonly settlementId: string;
  readonly institutionId: string;
  readonly destinationId: string;
}

/** What the signer is asked about a payout, if it goes to what is on its list. */
function toDestination(lineageId: string, payout: LineagePayout): readonly Asked[] {
  const { settlementId, payee, payeeInstitutionId: institutionId } = payout;
  const { destinationId } = payee;
  return destinationId === undefined ? [] : [{ lineageId, settlementId, institutionId, destinationId }];
}
