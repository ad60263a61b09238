import type { Batch, Session } from '@finality/event-store';
import {
  type AccountId,
  availableAccount,
  clearingClaim,
  pledgeAccount,
  PLEDGES,
  standbyAccount,
  type Unit,
} from '@finality/ledger';
import {
  type CreditLineRequest,
  defaultIdOf,
  type LiquidityAlertsRequest,
  type CreditTerms,
  type LossShare,
  type PledgeRequest,
  type PlacedSettlement,
  type Position,
} from '@finality/settlement';
import { loadContributors, loadUnwindable } from '../projections/defaults.ts';
import { creditStream, defaultStream } from './credit-streams.ts';
import { institutionStream } from './streams.ts';

/** What a batch has to be loaded with to decide what institutions may owe, and what becomes of what they do. */
export class CreditNeeds {
  /** Institutions whose debts may be collected. */
  readonly collecting = new Set<string>();
  /** By default: what its defaulter has paid, to be taken back. */
  readonly unwindable = new Map<string, readonly PlacedSettlement[]>();
  /** Of the default fund, where a loss may be allocated. */
  contributors: readonly string[] = [];
  /** Institutions whose terms are needed. */
  readonly #terms = new Set<string>();
  /** Institutions whose pledges are needed, too. */
  readonly #pledges = new Set<string>();
  readonly #defaults = new Set<string>();
  /** Clearing balances in other units whose line may be set, or on which something may be due; in any unit, that are watched. */
  readonly #balances = new Set<AccountId>();
  /** Who stood in for those whose debts may be collected. */
  #bearers: readonly LossShare[] = [];

  /** Whether what somebody may owe may change in this batch. */
  get isNeeded(): boolean {
    return this.#pledges.size > 0;
  }

  add(institutionId: string): void {
    this.#terms.add(institutionId);
    this.#pledges.add(institutionId);
  }

  line({ institutionId, limit }: CreditLineRequest): void {
    if (limit !== undefined) this.#in(institutionId, limit.unit);
  }

  pledge({ institutionId, unit }: PledgeRequest): void {
    this.#in(institutionId, unit);
  }

  /** What may be owed in a unit, and what secures it. */
  #in(institutionId: string, unit: Unit): void {
    for (const account of accountsIn(institutionId, unit)) this.#balances.add(account);
  }

  watched({ institutionId, unit }: Pick<LiquidityAlertsRequest, 'institutionId' | 'unit'>): void {
    this.#balances.add(availableAccount(clearingClaim(institutionId, unit)));
  }

  /** Participants of windows that may close. */
  closing(institutionIds: Iterable<string>): void {
    for (const id of institutionIds) this.#terms.add(id);
  }

  /** Of those, once it is loaded: whose debts are due by terms. @param positions in what closes */
  debtors(batch: Batch, positions: readonly Position[]): readonly string[] {
    const debtors = new Set(
      [...this.#terms].filter((id) => {
        const credit = batch.state(creditStream, id);
        return credit.status !== 'none' && isDueAnywhere(credit.terms);
      }),
    );
    for (const { institutionId, unit } of positions) if (debtors.has(institutionId)) this.#in(institutionId, unit);
    return [...debtors];
  }

  streams(): readonly string[] {
    return [
      ...[...this.#terms].map((id) => `${creditStream.aggregate.name}/${id}`),
      ...[...this.#defaults].map((id) => `${defaultStream.aggregate.name}/${id}`),
    ];
  }

  /** Once it is loaded what is due. @returns windows that are concerned */
  follow(batch: Batch): readonly string[] {
    return [...this.collecting].flatMap((institutionId) => {
      const credit = batch.state(creditStream, institutionId);
      if (credit.status === 'none') return [];
      if (credit.defaultId !== undefined) this.#defaults.add(credit.defaultId);
      for (const id of credit.owing) this.#defaults.add(id);
      for (const { windowId } of credit.obligations) this.#defaults.add(defaultIdOf(windowId, institutionId));
      return credit.obligations.map(({ windowId }) => windowId);
    });
  }

  /** Once defaults are loaded. @returns their windows */
  async loadDefaults(session: Session, batch: Batch): Promise<readonly string[]> {
    const found = [...this.#defaults].map((id) => batch.state(defaultStream, id));
    const open = found.flatMap((state) => (state.status === 'open' ? [state] : []));
    this.#bearers = found.flatMap((state) => (state.status === 'closed' ? state.shares : []));
    for (const state of open) this.unwindable.set(state.defaultId, await loadUnwindable(session, state));
    if (open.length > 0) this.contributors = await loadContributors(session);
    return open.map(({ windowId }) => windowId);
  }

  accounts(batch: Batch): readonly AccountId[] {
    return [
      ...this.#balances,
      ...[...this.#pledges].flatMap((id) => unitBalancesOf(batch, id)),
      ...[...this.#pledges].flatMap((id) => PLEDGES.map((pledge) => pledgeAccount(pledge, id))),
      ...this.contributors.map((id) => pledgeAccount('default_fund', id)),
      ...this.#bearers.map(({ institutionId }) => pledgeAccount('default_fund', institutionId)),
      ...(this.collecting.size > 0 ? [standbyAccount()] : []),
    ];
  }
}

/** What may be owed in other units may fall to 0, and what is may be due. */
function unitBalancesOf(batch: Batch, institutionId: string): readonly AccountId[] {
  const institution = batch.state(institutionStream, institutionId);
  const credit = batch.state(creditStream, institutionId);
  const units = [
    ...(institution.status === 'none' ? [] : institution.unitLines.map(({ limit }) => limit.unit)),
    ...(credit.status === 'none' ? [] : credit.obligations.map(({ unit }) => unit)),
  ];
  return units.flatMap((unit) => accountsIn(institutionId, unit));
}

const accountsIn = (institutionId: string, unit: Unit): readonly AccountId[] => [
  availableAccount(clearingClaim(institutionId, unit)),
  pledgeAccount('collateral', institutionId, unit),
];

const isDueAnywhere = ({ dueAfterMs, units = [] }: CreditTerms): boolean =>
  dueAfterMs !== undefined || units.some((own) => own.dueAfterMs !== undefined);
