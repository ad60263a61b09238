import { type Aggregate, assert, assertNever, type Instant } from '@finality/kernel';
import { BTC, type Pledge, type Unit } from '@finality/ledger';

/** What an institution's credit lines rest on. */
export interface CreditTerms {
  /** Of its line in satoshi, in hundredths of a percent of its collateral: what isn't counted. Missing: the line is unsecured. */
  readonly haircutBps?: number;
  /** So long after a window has closed what is drawn then is due, in any unit without terms of its own. Missing: it is lent until further notice. */
  readonly dueAfterMs?: number;
  /** In other units than BTC, each once. */
  readonly units?: readonly UnitCreditTerms[];
}

/** What the line in one unit rests on: collateral in that unit, and no other. */
export interface UnitCreditTerms extends OneUnitTerms {
  readonly unit: Unit;
}

export interface OneUnitTerms extends Pick<CreditTerms, 'haircutBps' | 'dueAfterMs'> {
  /** In another unit than BTC: so long after it was due what isn't paid may be declared a default. Missing: from then on. */
  readonly graceMs?: number;
}

/** Of one unit. Those without terms of their own are due as satoshi are, and unsecured. */
export function termsIn({ haircutBps, dueAfterMs, units = [] }: CreditTerms, unit: Unit): OneUnitTerms {
  const due = dueAfterMs === undefined ? {} : { dueAfterMs };
  if (unit === BTC) return haircutBps === undefined ? due : { haircutBps, ...due };
  const own = units.find((each) => each.unit === unit);
  if (own === undefined) return due;
  const { unit: _unit, ...terms } = own;
  return terms;
}

/** What was drawn in a unit when a window closed, and is to be paid. */
export interface Obligation {
  readonly windowId: string;
  readonly unit: Unit;
  readonly owed: bigint;
  /** All that had ever come in on the clearing balance by then: what comes in later pays the oldest debt first. */
  readonly credited: bigint;
  readonly dueAt: Instant;
  /** In another unit than BTC: no default before. */
  readonly graceUntil?: Instant;
}

/** More of them than anybody has open at once: what is drawn is part of the next window's where there are as many. */
export const OBLIGATIONS_MAX = 100;

/** All of it, in hundredths of a percent. */
const WHOLE_BPS = 10_000n;

/** With more than this, no amount of collateral would do. */
export const HAIRCUT_MAX_BPS = 9_999;

export type CreditEvent = {
  readonly at: Instant;
  readonly institutionId: string;
  readonly by: string;
  readonly confirmedBy?: string;
} & (
  | { readonly type: 'credit_terms_set'; readonly terms: CreditTerms; readonly reason: string }
  /** `pledgeId`: what its transfer is called by. */
  | {
      readonly type: 'pledge_posted' | 'pledge_released';
      readonly pledge: Pledge;
      readonly pledgeId: string;
      readonly unit: Unit;
      readonly amount: bigint;
    }
  /** In another unit than BTC: what was due and not paid in time takes what there is of its own collateral. */
  | { readonly type: 'collateral_taken'; readonly windowId: string; readonly unit: Unit; readonly amount: bigint }
  | { readonly type: 'obligation_opened'; readonly obligation: Obligation }
  | { readonly type: 'obligation_met'; readonly windowId: string; readonly unit: Unit }
  /** In another unit than BTC, with what wasn't paid in time: it stays owed until it is paid, or people say that it won't be. */
  | { readonly type: 'obligation_overdue'; readonly windowId: string; readonly unit: Unit; readonly unpaid: bigint }
  /** With all that is owed in the unit: nothing else is collected until it is closed. */
  | { readonly type: 'default_opened'; readonly defaultId: string; readonly unit: Unit }
  /** `isOwed`: others stood in for it, and are to be paid back. */
  | { readonly type: 'default_ended'; readonly defaultId: string; readonly unit: Unit; readonly isOwed: boolean }
  /** They have been. */
  | { readonly type: 'bearers_repaid'; readonly defaultId: string }
);

/** Of one institution that has pledged something, or with whom the platform has agreed on terms. The amounts are the ledger's. */
export type Credit =
  | { readonly status: 'none' }
  | {
      readonly status: 'known';
      readonly institutionId: string;
      readonly terms: CreditTerms;
      /** Oldest first. */
      readonly obligations: readonly Obligation[];
      /** Those that weren't paid in time, in other units than BTC: until they are, or are declared a default. */
      readonly overdue: readonly Obligation[];
      /** While it is being closed out. */
      readonly open?: DefaultIn;
      /** Defaults in which others stood in for it and haven't been paid back, oldest first. */
      readonly owing: readonly DefaultIn[];
    };

/** A default, and the unit that it is in: no other is touched by it. */
export interface DefaultIn {
  readonly defaultId: string;
  readonly unit: Unit;
}

export const creditAggregate: Aggregate<Credit, CreditEvent> = {
  name: 'credit',
  initialState: { status: 'none' },
  evolve(before, event) {
    const { institutionId } = event;
    const state: KnownCredit =
      before.status === 'none'
        ? { status: 'known', institutionId, terms: {}, obligations: [], overdue: [], owing: [] }
        : before;
    switch (event.type) {
      case 'credit_terms_set':
        return { ...state, terms: event.terms };
      case 'pledge_posted':
      case 'pledge_released':
      case 'collateral_taken':
        return state;
      case 'obligation_opened':
        return { ...state, obligations: [...state.obligations, event.obligation] };
      case 'obligation_met':
        return without(state, (each) => isSame(each, event));
      case 'obligation_overdue': {
        const overdue = state.obligations.filter((each) => isSame(each, event));
        const rest = without(state, (each) => isSame(each, event));
        return { ...rest, overdue: [...rest.overdue, ...overdue] };
      }
      case 'default_opened': {
        const { defaultId, unit } = event;
        assert(state.open === undefined, 'one default is closed out at a time');
        return { ...without(state, (each) => each.unit === unit), open: { defaultId, unit } };
      }
      case 'default_ended': {
        const { open: _ended, ...rest } = state;
        const { defaultId, unit } = event;
        return event.isOwed ? { ...rest, owing: [...rest.owing, { defaultId, unit }] } : rest;
      }
      case 'bearers_repaid':
        return { ...state, owing: state.owing.filter(({ defaultId }) => defaultId !== event.defaultId) };
      default:
        return assertNever(event, 'credit event');
    }
  },
};

type Named = Pick<Obligation, 'windowId' | 'unit'>;

const isSame = (a: Named, b: Named): boolean => a.windowId === b.windowId && a.unit === b.unit;

function without(state: KnownCredit, isOver: (each: Obligation) => boolean): KnownCredit {
  const left = (all: readonly Obligation[]): readonly Obligation[] => all.filter((each) => !isOver(each));
  return { ...state, obligations: left(state.obligations), overdue: left(state.overdue) };
}

export type KnownCredit = Exclude<Credit, { status: 'none' }>;

/** Until somebody has said otherwise, a line is unsecured. */
export const termsOf = (credit: Credit): CreditTerms => (credit.status === 'none' ? {} : credit.terms);

/** What an institution may owe now in a unit: what it was granted, and of a secured line at most what its collateral is worth after the haircut, rounded down. */
export function lineInForce(granted: bigint, { haircutBps }: OneUnitTerms, collateral: bigint): bigint {
  assert(granted >= 0n && collateral >= 0n, 'neither a line nor collateral is negative');
  if (haircutBps === undefined) return granted;
  const secured = (collateral * countedBps(haircutBps)) / WHOLE_BPS;
  return secured < granted ? secured : granted;
}

/** The least collateral that what is drawn in a unit depends on: as much, and of a secured line so much that it is covered after the haircut. */
export function requiredCollateral(drawn: bigint, { haircutBps }: OneUnitTerms): bigint {
  assert(drawn >= 0n, 'nothing drawn is 0');
  const counted = countedBps(haircutBps ?? 0);
  return (drawn * WHOLE_BPS + counted - 1n) / counted;
}

/**
 * What of an obligation hasn't been paid, in its unit: what came in since the window closed pays it, and what was owed before it, first; nobody owes more
 * than what is drawn.
 * @param credited all that has ever come in
 */
export function unpaidOf({ owed, credited: before }: Obligation, credited: bigint, drawn: bigint): bigint {
  const left = owed - (credited - before);
  const unpaid = left < drawn ? left : drawn;
  return unpaid > 0n ? unpaid : 0n;
}

function countedBps(haircutBps: number): bigint {
  assert(
    Number.isInteger(haircutBps) && haircutBps >= 0 && haircutBps <= HAIRCUT_MAX_BPS,
    `${haircutBps} is no haircut`,
  );
  return WHOLE_BPS - BigInt(haircutBps);
}
