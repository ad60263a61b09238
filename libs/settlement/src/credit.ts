import { type Aggregate, assert, assertNever, type Instant } from '@finality/kernel';
import type { Pledge } from '@finality/ledger';

/** What an institution's credit line rests on. */
export interface CreditTerms {
  /** In hundredths of a percent of its collateral: what isn't counted. Missing: the line is unsecured. */
  readonly haircutBps?: number;
}

/** All of it, in hundredths of a percent. */
const WHOLE_BPS = 10_000n;

/** With more than this, no amount of collateral would do. */
export const HAIRCUT_MAX_BPS = 9_999;

export type CreditEvent = { readonly at: Instant; readonly institutionId: string; readonly by: string } & (
  | { readonly type: 'credit_terms_set'; readonly terms: CreditTerms; readonly reason: string }
  /** `pledgeId`: what its transfer is called by. */
  | {
      readonly type: 'pledge_posted' | 'pledge_released';
      readonly pledge: Pledge;
      readonly pledgeId: string;
      readonly amountSats: bigint;
    }
);

/** Of one institution that has pledged something, or with whom the platform has agreed on terms. The amounts are the ledger's. */
export type Credit =
  | { readonly status: 'none' }
  | {
      readonly status: 'known';
      readonly institutionId: string;
      readonly terms: CreditTerms;
    };

export const creditAggregate: Aggregate<Credit, CreditEvent> = {
  name: 'credit',
  initialState: { status: 'none' },
  evolve(before, event) {
    const { institutionId } = event;
    const state = before.status === 'none' ? { status: 'known' as const, institutionId, terms: {} } : before;
    switch (event.type) {
      case 'credit_terms_set':
        return { ...state, terms: event.terms };
      case 'pledge_posted':
      case 'pledge_released':
        return state;
      default:
        return assertNever(event, 'credit event');
    }
  },
};

/** Until somebody has said otherwise, a line is unsecured. */
export const termsOf = (credit: Credit): CreditTerms => (credit.status === 'none' ? {} : credit.terms);

/** What an institution may owe now, in satoshi: what it was granted, and of a secured line at most what its collateral is worth after the haircut, rounded down. */
export function lineInForce(grantedSats: bigint, { haircutBps }: CreditTerms, collateralSats: bigint): bigint {
  assert(grantedSats >= 0n && collateralSats >= 0n, 'neither a line nor collateral is negative');
  if (haircutBps === undefined) return grantedSats;
  const securedSats = (collateralSats * countedBps(haircutBps)) / WHOLE_BPS;
  return securedSats < grantedSats ? securedSats : grantedSats;
}

/** The least collateral that what is drawn depends on, in satoshi: as much, and of a secured line so much that it is covered after the haircut. */
export function requiredSats(drawnSats: bigint, { haircutBps }: CreditTerms): bigint {
  assert(drawnSats >= 0n, 'nothing drawn is 0');
  const counted = countedBps(haircutBps ?? 0);
  return (drawnSats * WHOLE_BPS + counted - 1n) / counted;
}

function countedBps(haircutBps: number): bigint {
  assert(
    Number.isInteger(haircutBps) && haircutBps >= 0 && haircutBps <= HAIRCUT_MAX_BPS,
    `${haircutBps} is no haircut`,
  );
  return WHOLE_BPS - BigInt(haircutBps);
}
