import { type Aggregate, assert, type Instant, type Sats } from '@finality/kernel';
import type { Claim } from '@finality/ledger';
import type { OnChainPayee } from './lineage.ts';

/**
 * What an institution wants paid on-chain, to itself, whenever a window closes in which it has been paid more than it paid: that net credit; or,
 * whenever it has a position at all, whatever its clearing balance has above a floor.
 */
export type PayoutRule = { readonly kind: 'net_credit' } | { readonly kind: 'above_floor'; readonly floorSats: Sats };

export interface PayoutChoice {
  readonly rule: PayoutRule;
  /** A wallet of the institution's own, or a destination of it, as they were when it chose. */
  readonly payee: OnChainPayee;
  /** Whose coins pay. */
  readonly poolWalletId: string;
}

export type WindowPayoutEvent = { readonly at: Instant; readonly by: string } & (
  | { readonly type: 'window_payout_chosen'; readonly institutionId: string; readonly choice: PayoutChoice }
  | { readonly type: 'window_payout_ended' }
);

/** Of one institution. Until it says otherwise everything stays on its clearing balance, as prefunding. */
export type WindowPayout =
  | { readonly status: 'none' }
  | { readonly status: 'set'; readonly institutionId: string; readonly choice?: PayoutChoice };

export const windowPayoutAggregate: Aggregate<WindowPayout, WindowPayoutEvent> = {
  name: 'window_payout',
  initialState: { status: 'none' },
  evolve(state, event) {
    if (event.type === 'window_payout_chosen')
      return { status: 'set', institutionId: event.institutionId, choice: event.choice };
    assert(state.status === 'set', 'only what was chosen ends');
    return { status: 'set', institutionId: state.institutionId };
  },
};

/** Wallets that are concerned when it is paid out. */
export const walletsOfChoice = ({ payee, poolWalletId }: PayoutChoice): readonly string[] =>
  payee.kind === 'wallet' ? [payee.walletId, poolWalletId] : [poolWalletId];

/** What makes a settlement a net payout. */
export interface NetPayout {
  readonly windowId: string;
  /** Whose coins pay it. */
  readonly poolWalletId: string;
}

/** The wallet whose coins pay a settlement; undefined in CENTRALIZED. */
export const payingWalletId = ({
  payer,
  netPayout,
}: {
  readonly payer: Claim;
  readonly netPayout?: NetPayout;
}): string | undefined => (payer.kind === 'wallet' ? payer.walletId : netPayout?.poolWalletId);
