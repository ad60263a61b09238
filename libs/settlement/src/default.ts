import { createHash } from 'node:crypto';
import { type Aggregate, assert, assertNever, type Instant } from '@finality/kernel';
import type { Unit } from '@finality/ledger';
import type { Obligation } from './credit.ts';

/** One for each institution, window and unit: known before there is any. A UUID of version 8 (RFC 9562). */
export const defaultIdOf = ({ windowId, unit }: Pick<Obligation, 'windowId' | 'unit'>, institutionId: string): string =>
  derivedId(`default ${windowId} ${institutionId} ${unit}`);

/** Of the settlement that takes one back. */
export const unwindingIdOf = (defaultId: string, settlementId: string): string =>
  derivedId(`unwinding ${defaultId} ${settlementId}`);

function derivedId(name: string): string {
  const hex = createHash('sha256').update(name).digest('hex');
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  const groups = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `${variant}${hex.slice(17, 20)}`];
  return [...groups, hex.slice(20, 32)].join('-');
}

/** What a default is covered from before anybody else is touched, in this order. */
export type CoverSource = 'collateral' | 'contribution' | 'standby';

/** One settlement that was taken back. */
export interface Unwound {
  readonly settlementId: string;
  /** The settlement that pays it back. */
  readonly reversalId: string;
  readonly payeeId: string;
  readonly amount: bigint;
}

/** What one contribution to the default fund bears. */
export interface LossShare {
  readonly institutionId: string;
  readonly amount: bigint;
}

/** In the order of the waterfall. All amounts in the smallest part of the unit. */
export type DefaultEvent = { readonly at: Instant } &
  /** Everything the institution owes in a unit, because an obligation was overdue: no other unit is touched. */
  (
    | {
        readonly type: 'default_declared';
        readonly defaultId: string;
        readonly institutionId: string;
        readonly windowId: string;
        readonly unit: Unit;
        readonly owed: bigint;
        /** Of what was due. */
        readonly overdue: bigint;
        /** In another unit than BTC: the two operators who say so. */
        readonly by?: string;
        readonly confirmedBy?: string;
      }
    | { readonly type: 'default_covered'; readonly source: CoverSource; readonly amount: bigint }
    /** Within its unsecured line: it is still owed. */
    | { readonly type: 'debt_lent'; readonly amount: bigint }
    /** Money that came in since. */
    | { readonly type: 'debt_paid'; readonly amount: bigint }
    /** What it hadn't paid yet isn't paid. */
    | { readonly type: 'queued_failed'; readonly settlementIds: readonly string[] }
    | ({ readonly type: 'settlement_unwound' } & Unwound)
    /** Settlements from this place on, downwards, haven't been looked at. */
    | { readonly type: 'unwinding_went_on'; readonly belowPlace: bigint }
    | { readonly type: 'loss_allocated'; readonly shares: readonly LossShare[] }
    /** With what nobody covers: it stays the institution's debt, and is missing. */
    | { readonly type: 'default_closed'; readonly uncovered: bigint }
    /** Out of what came in later, to those who stood in for it. */
    | ({ readonly type: 'default_repaid' } & Bearers)
    /** What nobody covered is part of what it owes in a later default. */
    | { readonly type: 'uncovered_carried_over'; readonly defaultId: string; readonly amount: bigint }
  );

/** Who stood in for a defaulter and was no part of its own means, in the reverse order of the waterfall: who came last is paid back first. */
export interface Bearers {
  /** Nobody: it is missing in what all balances rest on. */
  readonly uncovered: bigint;
  readonly shares: readonly LossShare[];
  readonly standby: bigint;
}

/** What has been paid back since. */
export interface Repaid extends Bearers {
  /** Of what nobody covered. */
  readonly carriedOver: bigint;
  readonly times: number;
}

/** What became of what was owed: they always add up to it. */
export interface Waterfall {
  readonly collateral: bigint;
  /** Of the defaulter's own contribution to the default fund. */
  readonly contribution: bigint;
  readonly lent: bigint;
  readonly standby: bigint;
  readonly paid: bigint;
  readonly takenBack: bigint;
  /** Borne by others' contributions to the default fund. */
  readonly loss: bigint;
  readonly uncovered: bigint;
  /** Not decided yet. */
  readonly left: bigint;
}

export interface KnownDefault extends Waterfall {
  readonly status: 'open' | 'closed';
  readonly defaultId: string;
  readonly institutionId: string;
  readonly windowId: string;
  readonly unit: Unit;
  readonly owed: bigint;
  readonly overdue: bigint;
  readonly by?: string;
  readonly confirmedBy?: string;
  readonly failedCount: number;
  readonly unwound: readonly Unwound[];
  readonly shares: readonly LossShare[];
  /** Missing: the newest settlement is looked at first. */
  readonly belowPlace?: bigint;
  readonly repaid: Repaid;
  readonly declaredAt: Instant;
  readonly closedAt?: Instant;
}

export type Default = { readonly status: 'none' } | KnownDefault;

export const defaultAggregate: Aggregate<Default, DefaultEvent> = {
  name: 'default',
  initialState: { status: 'none' },
  evolve(state, event) {
    if (event.type === 'default_declared') {
      assert(state.status === 'none', 'a default is declared once');
      return declared(event);
    }
    if (event.type === 'default_repaid' || event.type === 'uncovered_carried_over') return withRepaid(state, event);
    assert(state.status === 'open', 'what is closed stays as it is');
    switch (event.type) {
      case 'default_covered':
      case 'debt_lent':
      case 'debt_paid':
        return moved(state, PARTS[event.type === 'default_covered' ? event.source : event.type], event.amount);
      case 'queued_failed':
        return { ...state, failedCount: state.failedCount + event.settlementIds.length };
      case 'settlement_unwound': {
        const { settlementId, reversalId, payeeId, amount } = event;
        const unwound = [...state.unwound, { settlementId, reversalId, payeeId, amount }];
        return { ...moved(state, 'takenBack', amount), unwound };
      }
      case 'unwinding_went_on':
        return { ...state, belowPlace: event.belowPlace };
      case 'loss_allocated':
        return { ...moved(state, 'loss', sumOf(event.shares)), shares: event.shares };
      case 'default_closed': {
        const closed = moved(state, 'uncovered', event.uncovered);
        assert(closed.left === 0n, 'a default closes when all of it is decided');
        return { ...closed, status: 'closed', closedAt: event.at };
      }
      default:
        return assertNever(event, 'default event');
    }
  },
};

type Part = Exclude<keyof Waterfall, 'left'>;

const PARTS: Readonly<Record<CoverSource | 'debt_lent' | 'debt_paid', Part>> = {
  collateral: 'collateral',
  contribution: 'contribution',
  standby: 'standby',
  debt_lent: 'lent',
  debt_paid: 'paid',
};

function declared(event: Extract<DefaultEvent, { type: 'default_declared' }>): KnownDefault {
  const { defaultId, institutionId, windowId, unit, owed, overdue, by, confirmedBy, at } = event;
  return {
    status: 'open',
    ...{ defaultId, institutionId, windowId, unit, owed, overdue },
    ...(by !== undefined && { by }),
    ...(confirmedBy !== undefined && { confirmedBy }),
    ...{ collateral: 0n, contribution: 0n, lent: 0n, standby: 0n, paid: 0n },
    ...{ takenBack: 0n, loss: 0n, uncovered: 0n, left: owed },
    failedCount: 0,
    unwound: [],
    shares: [],
    repaid: { uncovered: 0n, carriedOver: 0n, shares: [], standby: 0n, times: 0 },
    declaredAt: at,
  };
}

function moved(state: KnownDefault, part: Part, amount: bigint): KnownDefault {
  assert(amount >= 0n && amount <= state.left, `${amount} of ${state.left} can't be ${part}`);
  return { ...state, [part]: state[part] + amount, left: state.left - amount };
}

type RepaidEvent = Extract<DefaultEvent, { type: 'default_repaid' | 'uncovered_carried_over' }>;

/** Never more than is owed to each. */
function withRepaid(state: Default, event: RepaidEvent): KnownDefault {
  assert(state.status === 'closed', 'what isn’t closed isn’t paid back');
  const { repaid } = state;
  const left = stillOwed(state);
  if (event.type === 'uncovered_carried_over') {
    assert(event.amount <= left.uncovered, 'no more is carried over than is uncovered');
    return { ...state, repaid: { ...repaid, carriedOver: repaid.carriedOver + event.amount } };
  }
  const { uncovered, shares, standby } = event;
  assert(uncovered <= left.uncovered && standby <= left.standby, 'no more is repaid than was lent');
  for (const { institutionId, amount } of shares) {
    const owed = left.shares.find((share) => share.institutionId === institutionId)?.amount ?? 0n;
    assert(amount > 0n && amount <= owed, `${institutionId} gets back what it bore, and no more`);
  }
  return {
    ...state,
    repaid: {
      uncovered: repaid.uncovered + uncovered,
      carriedOver: repaid.carriedOver,
      shares: state.shares.map(({ institutionId }) => ({
        institutionId,
        amount: shareOf(repaid.shares, institutionId) + shareOf(shares, institutionId),
      })),
      standby: repaid.standby + standby,
      times: repaid.times + 1,
    },
  };
}

const shareOf = (shares: readonly LossShare[], id: string): bigint =>
  shares.find(({ institutionId }) => institutionId === id)?.amount ?? 0n;

/** What a defaulter owes still to those who stood in for it; nothing until it is decided who did. What its line lends is in its balance, and is no loss. */
export function stillOwed({ status, uncovered, shares, standby, repaid }: KnownDefault): Bearers {
  if (status === 'open') return { uncovered: 0n, shares: [], standby: 0n };
  return {
    uncovered: uncovered - repaid.uncovered - repaid.carriedOver,
    shares: shares
      .map(({ institutionId, amount }) => ({
        institutionId,
        amount: amount - shareOf(repaid.shares, institutionId),
      }))
      .filter(({ amount }) => amount > 0n),
    standby: standby - repaid.standby,
  };
}

/** To all of them together. */
export const owedTo = ({ uncovered, shares, standby }: Bearers): bigint => uncovered + sumOf(shares) + standby;

export const sumOf = (parts: readonly { readonly amount: bigint }[]): bigint =>
  parts.reduce((sum, { amount }) => sum + amount, 0n);

/**
 * What each contribution bears of a loss, in proportion to what it is: rounded down, and the smallest parts that are left over one each to those that
 * rounding has spared most, the first by id among equals. Never more than the contribution; all of them where the loss is greater.
 * @param contributions one of each institution
 * @returns whoever bears something, in the order of the ids
 */
export function sharesOf(loss: bigint, contributions: readonly LossShare[]): readonly LossShare[] {
  const fund = sumOf(contributions);
  const byId = contributions.toSorted((a, b) => (a.institutionId < b.institutionId ? -1 : 1));
  if (loss >= fund) return byId.filter(({ amount }) => amount > 0n);
  const parts = byId.map(({ institutionId, amount }) => {
    const exact = loss * amount;
    return { institutionId, amount: exact / fund, spared: exact % fund };
  });
  const leftOver = Number(loss - sumOf(parts));
  const most = parts.toSorted((a, b) => (a.spared === b.spared ? 0 : a.spared > b.spared ? -1 : 1));
  const raised = new Set(most.slice(0, leftOver).map(({ institutionId }) => institutionId));
  return parts
    .map(({ institutionId, amount }) => ({
      institutionId,
      amount: raised.has(institutionId) ? amount + 1n : amount,
    }))
    .filter(({ amount }) => amount > 0n);
}
