import type { AccountId } from './account.ts';
import type { TransferId } from './transfer.ts';

/** Why a transfer, and with it its group, wasn't made. `transferId` is the first one of the group that couldn't be. */
export type LedgerError = { readonly transferId: TransferId } & (
  | {
      readonly kind: 'insufficient';
      readonly account: AccountId;
      /** What the account's limit leaves, credit line included; negative when it is overdrawn. */
      readonly available: bigint;
      readonly needed: bigint;
    }
  /** All credit lines together are drawn as far as the platform lends; `lent` is what the group would have brought it to. */
  | { readonly kind: 'lending_cap'; readonly lent: bigint; readonly cap: bigint }
  /** Expected 1 to 2^63 − 1. */
  | { readonly kind: 'amount_out_of_range'; readonly amount: bigint }
  | {
      readonly kind: 'amount_exceeds_pending';
      readonly pendingId: TransferId;
      readonly pending: bigint;
      readonly amount: bigint;
    }
  | { readonly kind: 'unknown_pending'; readonly pendingId: TransferId }
  /** `pendingId` names a transfer of another kind. */
  | { readonly kind: 'not_pending'; readonly pendingId: TransferId }
  | { readonly kind: 'already_posted'; readonly pendingId: TransferId; readonly by: TransferId }
  | { readonly kind: 'already_voided'; readonly pendingId: TransferId; readonly by: TransferId }
  | { readonly kind: 'unknown_corrected'; readonly corrects: TransferId }
  | { readonly kind: 'same_account'; readonly account: AccountId }
  | { readonly kind: 'unit_mismatch'; readonly debit: AccountId; readonly credit: AccountId }
  /** The id is taken by a transfer that says something else in `field`. */
  | { readonly kind: 'exists_with_different'; readonly field: string; readonly expected: string; readonly got: string }
);

export type LedgerErrorKind = LedgerError['kind'];
