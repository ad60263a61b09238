import { type Aggregate, assert, assertNever, type Instant, type Sats } from '@finality/kernel';

/** Somebody whom an institution may pay, from that time on. */
export interface Counterparty {
  readonly institutionId: string;
  readonly allowedFrom: Instant;
  /** API key. */
  readonly addedBy: string;
}

/** All of them are read with each payment of an institution that has a list. */
export const COUNTERPARTIES_MAX = 500;

/** Above an amount, so many persons of the institution other than the one who asked have to approve. */
export interface ApprovalTier {
  readonly aboveSats: Sats;
  readonly approvals: number;
  /** Of payouts of custodial wallets, by signatories: the signer verifies it. */
  readonly areSigned: boolean;
}

export const TIERS_MAX = 5;
export const APPROVALS_MAX = 5;

export interface SetRules {
  readonly status: 'set';
  readonly institutionId: string;
  /** One more with each change. */
  readonly version: number;
  /** Whether only those on the list may be paid. */
  readonly isRestricted: boolean;
  /** In the order in which they were added. */
  readonly counterparties: readonly Counterparty[];
  /** Lowest first: more for more. */
  readonly tiers: readonly ApprovalTier[];
}

export type PaymentRulesState = { readonly status: 'none' } | SetRules;

export type PaymentRulesEvent = {
  readonly at: Instant;
  readonly institutionId: string;
  readonly by: string;
  readonly confirmedBy?: string;
} & (
  | { readonly type: 'counterparties_restricted' | 'counterparties_freed'; readonly reason: string }
  | { readonly type: 'approval_tiers_set'; readonly tiers: readonly ApprovalTier[]; readonly reason: string }
  | { readonly type: 'counterparty_allowed'; readonly counterpartyId: string; readonly allowedFrom: Instant }
  | { readonly type: 'counterparty_removed'; readonly counterpartyId: string }
);

/** Whom an institution may pay, and who has to agree: one stream for each institution that has said something about it. */
export const paymentRulesAggregate: Aggregate<PaymentRulesState, PaymentRulesEvent> = {
  name: 'payment_rules',
  initialState: { status: 'none' },
  evolve(before, event) {
    const { institutionId } = event;
    const state: SetRules =
      before.status === 'set'
        ? { ...before, version: before.version + 1 }
        : { status: 'set', institutionId, version: 1, isRestricted: false, counterparties: [], tiers: [] };
    switch (event.type) {
      case 'counterparties_restricted':
        return { ...state, isRestricted: true };
      case 'counterparties_freed':
        return { ...state, isRestricted: false };
      case 'approval_tiers_set':
        return { ...state, tiers: event.tiers };
      case 'counterparty_allowed': {
        const { counterpartyId, allowedFrom, by } = event;
        const added: Counterparty = { institutionId: counterpartyId, allowedFrom, addedBy: by };
        assert(counterpartyOf(state, counterpartyId) === undefined, 'a counterparty is on the list once');
        return { ...state, counterparties: [...state.counterparties, added] };
      }
      case 'counterparty_removed':
        return {
          ...state,
          counterparties: state.counterparties.filter((each) => each.institutionId !== event.counterpartyId),
        };
      default:
        return assertNever(event, 'payment rules event');
    }
  },
};

export const counterpartyOf = (state: PaymentRulesState, institutionId: string): Counterparty | undefined =>
  state.status === 'none' ? undefined : state.counterparties.find((each) => each.institutionId === institutionId);

/** Who has to approve a payment of that amount; undefined: nobody. */
export const tierOf = (tiers: readonly ApprovalTier[], amountSats: bigint): ApprovalTier | undefined =>
  tiers.findLast(({ aboveSats }) => amountSats > aboveSats);
