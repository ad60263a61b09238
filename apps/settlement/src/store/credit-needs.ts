import type { Batch, Session } from '@finality/event-store';
import {
  type AccountId,
  availableAccount,
  BTC,
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
  lineIn,
  type CreditTerms,
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
  /** Of the default fund, in units where a loss may be allocated. */
  contributors: ReadonlyMap<Unit, readonly string[]> = new Map();
  /** Institutions whose terms are needed. */
  readonly #terms = new Set<string>();
  /** Institutions whose pledges are needed, too. */
  readonly #pledges = new Set<string>();
  readonly #defaults = new Set<string>();
  /** Clearing balances in other units whose line may be set, or on which something may be due; in any unit, that are watched. */
  readonly #balances = new Set<AccountId>();
  /** What was contributed by those who stood in for somebody whose debts may be collected. */
  #bearers: readonly AccountId[] = [];

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
      if (credit.open !== undefined) this.#defaults.add(credit.open.defaultId);
      for (const { defaultId } of credit.owing) this.#defaults.add(defaultId);
      const debts = [...credit.obligations, ...credit.overdue];
      for (const debt of debts) this.#defaults.add(defaultIdOf(debt, institutionId));
      return debts.map(({ windowId }) => windowId);
    });
  }

  /** Lines that may fail: of what is being closed out, and satoshi’s, which may be by then. */
  lines(batch: Batch): readonly string[] {
    return [...this.collecting].flatMap((institutionId) => {
      const credit = batch.state(creditStream, institutionId);
      const open = credit.status === 'none' ? undefined : credit.open?.unit;
      return [...new Set([BTC, open ?? BTC])].map((unit) => lineIn(institutionId, unit));
    });
  }

  /** Once defaults are loaded. @returns their windows */
  async loadDefaults(session: Session, batch: Batch): Promise<readonly string[]> {
    const found = [...this.#defaults].map((id) => batch.state(defaultStream, id));
    const open = found.flatMap((state) => (state.status === 'open' ? [state] : []));
    this.#bearers = found.flatMap((state) =>
      state.status === 'closed'
        ? state.shares.map(({ institutionId }) => pledgeAccount('default_fund', institutionId, state.unit))
        : [],
    );
    for (const state of open) this.unwindable.set(state.defaultId, await loadUnwindable(session, state));
    const units = [...new Set(open.map(({ unit }) => unit))];
    if (units.length > 0) this.contributors = await loadContributors(session, units);
    return open.map(({ windowId }) => windowId);
  }

  accounts(batch: Batch): readonly AccountId[] {
    return [
      ...this.#balances,
      ...[...this.#pledges].flatMap((id) => unitBalancesOf(batch, id)),
      ...[...this.#pledges].flatMap((id) => PLEDGES.map((pledge) => pledgeAccount(pledge, id))),
      ...[...this.contributors].flatMap(([unit, ids]) => ids.map((id) => pledgeAccount('default_fund', id, unit))),
      ...this.#bearers,
      ...[...this.collecting].flatMap((id) => debtUnitsOf(batch, id).map((unit) => standbyAccount(unit))),
    ];
  }
}

/** What may be owed in other units may fall to 0, and what is may be due. */
function unitBalancesOf(batch: Batch, institutionId: string): readonly AccountId[] {
  const institution = batch.state(institutionStream, institutionId);
  const lines = institution.status === 'none' ? [] : institution.unitLines.map(({ limit }) => limit.unit);
  return [...lines, ...debtUnitsOf(batch, institutionId)].flatMap((unit) => accountsIn(institutionId, unit));
}

/** In which it owes something: to be paid in time, or to those who stood in for it. */
function debtUnitsOf(batch: Batch, institutionId: string): readonly Unit[] {
  const credit = batch.state(creditStream, institutionId);
  if (credit.status === 'none') return [];
  const { obligations, overdue, owing, open } = credit;
  return [...obligations, ...overdue, ...owing, ...(open === undefined ? [] : [open])].map(({ unit }) => unit);
}

const accountsIn = (institutionId: string, unit: Unit): readonly AccountId[] => [
  availableAccount(clearingClaim(institutionId, unit)),
  ...PLEDGES.map((pledge) => pledgeAccount(pledge, institutionId, unit)),
];

const isDueAnywhere = ({ dueAfterMs, units = [] }: CreditTerms): boolean =>
  dueAfterMs !== undefined || units.some((own) => own.dueAfterMs !== undefined);
