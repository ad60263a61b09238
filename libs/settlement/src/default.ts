import { createHash } from 'node:crypto';
import { type Aggregate, assert, assertNever, type Instant } from '@finality/kernel';

/** One for each institution and window: known before there is any. A UUID of version 8 (RFC 9562). */
export const defaultIdOf = (windowId: string, institutionId: string): string =>
  derivedId(`default ${windowId} ${institutionId}`);

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
  readonly amountSats: bigint;
}

/** What one contribution to the default fund bears. */
export interface LossShare {
  readonly institutionId: string;
  readonly amountSats: bigint;
}

/** In the order of the waterfall. All amounts in satoshi. */
export type DefaultEvent = { readonly at: Instant } &
  /** Everything the institution owes, because an obligation was overdue. */
  (
    | {
        readonly type: 'default_declared';
        readonly defaultId: string;
        readonly institutionId: string;
        readonly windowId: string;
        readonly owedSats: bigint;
        /** Of what was due. */
        readonly overdueSats: bigint;
      }
    | { readonly type: 'default_covered'; readonly source: CoverSource; readonly amountSats: bigint }
    /** Within its unsecured line: it is still owed. */
    | { readonly type: 'debt_lent'; readonly amountSats: bigint }
    /** Money that came in since. */
    | { readonly type: 'debt_paid'; readonly amountSats: bigint }
    /** What it hadn't paid yet isn't paid. */
    | { readonly type: 'queued_failed'; readonly settlementIds: readonly string[] }
    | ({ readonly type: 'settlement_unwound' } & Unwound)
    /** Settlements from this place on, downwards, haven't been looked at. */
    | { readonly type: 'unwinding_went_on'; readonly belowPlace: bigint }
    | { readonly type: 'loss_allocated'; readonly shares: readonly LossShare[] }
    /** With what nobody covers: it stays the institution's debt, and is missing. */
    | { readonly type: 'default_closed'; readonly uncoveredSats: bigint }
    /** Out of what came in later, to those who stood in for it. */
    | ({ readonly type: 'default_repaid' } & Bearers)
    /** What nobody covered is part of what it owes in a later default. */
    | { readonly type: 'uncovered_carried_over'; readonly defaultId: string; readonly amountSats: bigint }
  );

/** Who stood in for a defaulter and was no part of its own means, in the reverse order of the waterfall: who came last is paid back first. */
export interface Bearers {
  /** Nobody: it is missing in what all balances rest on. */
  readonly uncoveredSats: bigint;
  readonly shares: readonly LossShare[];
  readonly standbySats: bigint;
}

/** What has been paid back since. */
export interface Repaid extends Bearers {
  /** Of what nobody covered. */
  readonly carriedOverSats: bigint;
  readonly times: number;
}

/** What became of what was owed: they always add up to it. */
export interface Waterfall {
  readonly collateralSats: bigint;
  /** Of the defaulter's own contribution to the default fund. */
  readonly contributionSats: bigint;
  readonly lentSats: bigint;
  readonly standbySats: bigint;
  readonly paidSats: bigint;
  readonly unwoundSats: bigint;
  /** Borne by others' contributions to the default fund. */
  readonly lossSats: bigint;
  readonly uncoveredSats: bigint;
  /** Not decided yet. */
  readonly leftSats: bigint;
}

export interface KnownDefault extends Waterfall {
  readonly status: 'open' | 'closed';
  readonly defaultId: string;
  readonly institutionId: string;
  readonly windowId: string;
  readonly owedSats: bigint;
  readonly overdueSats: bigint;
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
        return moved(state, PARTS[event.type === 'default_covered' ? event.source : event.type], event.amountSats);
      case 'queued_failed':
        return { ...state, failedCount: state.failedCount + event.settlementIds.length };
      case 'settlement_unwound': {
        const { settlementId, reversalId, payeeId, amountSats } = event;
        const unwound = [...state.unwound, { settlementId, reversalId, payeeId, amountSats }];
        return { ...moved(state, 'unwoundSats', amountSats), unwound };
      }
      case 'unwinding_went_on':
        return { ...state, belowPlace: event.belowPlace };
      case 'loss_allocated':
        return { ...moved(state, 'lossSats', sumOf(event.shares)), shares: event.shares };
      case 'default_closed': {
        const closed = moved(state, 'uncoveredSats', event.uncoveredSats);
        assert(closed.leftSats === 0n, 'a default closes when all of it is decided');
        return { ...closed, status: 'closed', closedAt: event.at };
      }
      default:
        return assertNever(event, 'default event');
    }
  },
};

type Part = Exclude<keyof Waterfall, 'leftSats'>;

const PARTS: Readonly<Record<CoverSource | 'debt_lent' | 'debt_paid', Part>> = {
  collateral: 'collateralSats',
  contribution: 'contributionSats',
  standby: 'standbySats',
  debt_lent: 'lentSats',
  debt_paid: 'paidSats',
};

function declared(event: Extract<DefaultEvent, { type: 'default_declared' }>): KnownDefault {
  const { defaultId, institutionId, windowId, owedSats, overdueSats, at } = event;
  return {
    status: 'open',
    ...{ defaultId, institutionId, windowId, owedSats, overdueSats },
    ...{ collateralSats: 0n, contributionSats: 0n, lentSats: 0n, standbySats: 0n, paidSats: 0n },
    ...{ unwoundSats: 0n, lossSats: 0n, uncoveredSats: 0n, leftSats: owedSats },
    failedCount: 0,
    unwound: [],
    shares: [],
    repaid: { uncoveredSats: 0n, carriedOverSats: 0n, shares: [], standbySats: 0n, times: 0 },
    declaredAt: at,
  };
}

function moved(state: KnownDefault, part: Part, amountSats: bigint): KnownDefault {
  assert(amountSats >= 0n && amountSats <= state.leftSats, `${amountSats} sat of ${state.leftSats} can't be ${part}`);
  return { ...state, [part]: state[part] + amountSats, leftSats: state.leftSats - amountSats };
}

type RepaidEvent = Extract<DefaultEvent, { type: 'default_repaid' | 'uncovered_carried_over' }>;

/** Never more than is owed to each. */
function withRepaid(state: Default, event: RepaidEvent): KnownDefault {
  assert(state.status === 'closed', 'what isn’t closed isn’t paid back');
  const { repaid } = state;
  const left = stillOwed(state);
  if (event.type === 'uncovered_carried_over') {
    assert(event.amountSats <= left.uncoveredSats, 'no more is carried over than is uncovered');
    return { ...state, repaid: { ...repaid, carriedOverSats: repaid.carriedOverSats + event.amountSats } };
  }
  const { uncoveredSats, shares, standbySats } = event;
  assert(uncoveredSats <= left.uncoveredSats && standbySats <= left.standbySats, 'no more is repaid than was lent');
  for (const { institutionId, amountSats } of shares) {
    const owed = left.shares.find((share) => share.institutionId === institutionId)?.amountSats ?? 0n;
    assert(amountSats > 0n && amountSats <= owed, `${institutionId} gets back what it bore, and no more`);
  }
  return {
    ...state,
    repaid: {
      uncoveredSats: repaid.uncoveredSats + uncoveredSats,
      carriedOverSats: repaid.carriedOverSats,
      shares: state.shares.map(({ institutionId }) => ({
        institutionId,
        amountSats: shareOf(repaid.shares, institutionId) + shareOf(shares, institutionId),
      })),
      standbySats: repaid.standbySats + standbySats,
      times: repaid.times + 1,
    },
  };
}

const shareOf = (shares: readonly LossShare[], id: string): bigint =>
  shares.find(({ institutionId }) => institutionId === id)?.amountSats ?? 0n;

/** What a defaulter owes still to those who stood in for it; nothing until it is decided who did. What its line lends is in its balance, and is no loss. */
export function stillOwed({ status, uncoveredSats, shares, standbySats, repaid }: KnownDefault): Bearers {
  if (status === 'open') return { uncoveredSats: 0n, shares: [], standbySats: 0n };
  return {
    uncoveredSats: uncoveredSats - repaid.uncoveredSats - repaid.carriedOverSats,
    shares: shares
      .map(({ institutionId, amountSats }) => ({
        institutionId,
        amountSats: amountSats - shareOf(repaid.shares, institutionId),
      }))
      .filter(({ amountSats }) => amountSats > 0n),
    standbySats: standbySats - repaid.standbySats,
  };
}

/** To all of them together, in satoshi. */
export const owedSatsTo = ({ uncoveredSats, shares, standbySats }: Bearers): bigint =>
  uncoveredSats + sumOf(shares) + standbySats;

export const sumOf = (parts: readonly { readonly amountSats: bigint }[]): bigint =>
  parts.reduce((sum, { amountSats }) => sum + amountSats, 0n);

/**
 * What each contribution bears of a loss, in proportion to what it is: rounded down, and the satoshi that are left over one each to those that
 * rounding has spared most, the first by id among equals. Never more than the contribution; all of them where the loss is greater.
 * @param contributions one of each institution, in satoshi
 * @returns whoever bears something, in the order of the ids
 */
export function sharesOf(lossSats: bigint, contributions: readonly LossShare[]): readonly LossShare[] {
  const fundSats = sumOf(contributions);
  const byId = contributions.toSorted((a, b) => (a.institutionId < b.institutionId ? -1 : 1));
  if (lossSats >= fundSats) return byId.filter(({ amountSats }) => amountSats > 0n);
  const parts = byId.map(({ institutionId, amountSats }) => {
    const exact = lossSats * amountSats;
    return { institutionId, amountSats: exact / fundSats, spared: exact % fundSats };
  });
  const leftOver = Number(lossSats - sumOf(parts));
  const most = parts.toSorted((a, b) => (a.spared === b.spared ? 0 : a.spared > b.spared ? -1 : 1));
  const raised = new Set(most.slice(0, leftOver).map(({ institutionId }) => institutionId));
  return parts
    .map(({ institutionId, amountSats }) => ({
      institutionId,
      amountSats: raised.has(institutionId) ? amountSats + 1n : amountSats,
    }))
    .filter(({ amountSats }) => amountSats > 0n);
}
