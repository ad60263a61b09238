import type { Brand } from '@finality/kernel';
import type { Unit } from './unit.ts';

/** A path of the chart of accounts, made by the constructors in `chart.ts` only: `wallet/0198…/available`. */
export type AccountId = Brand<string, 'AccountId'>;

/**
 * What a transfer may not do to an account (TigerBeetle's two limits). Pending amounts count against the limit on their own side and
 * never in favour of the other. `overdraft` is what debits may exceed credits by: a credit line.
 */
export type Limit =
  | { readonly kind: 'none' }
  | { readonly kind: 'debits_must_not_exceed_credits'; readonly overdraft: bigint }
  | { readonly kind: 'credits_must_not_exceed_debits' };

export interface AccountSpec {
  readonly id: AccountId;
  /** What it counts; a transfer never crosses units. */
  readonly unit: Unit;
  readonly limit: Limit;
}

/** Totals since the account was opened, in the smallest unit; they only grow, but for the pending ones. */
export interface Totals {
  readonly debitsPosted: bigint;
  readonly creditsPosted: bigint;
  readonly debitsPending: bigint;
  readonly creditsPending: bigint;
}

export interface Account extends AccountSpec, Totals {}

export function openAccount(spec: AccountSpec): Account {
  return { ...spec, debitsPosted: 0n, creditsPosted: 0n, debitsPending: 0n, creditsPending: 0n };
}

/** Posted credits less posted debits: what a claim is worth. Negative for assets (debit-normal accounts). */
export function creditBalance(account: Totals): bigint {
  return account.creditsPosted - account.debitsPosted;
}

/** What can still be debited, credit line included and reservations taken off; negative when overdrawn, undefined when unlimited. */
export function debitHeadroom(account: Account): bigint | undefined {
  if (account.limit.kind !== 'debits_must_not_exceed_credits') return undefined;
  return creditBalance(account) - account.debitsPending + account.limit.overdraft;
}

/** What can still be credited; negative when a correction went past the limit, undefined when unlimited. */
export function creditHeadroom(account: Account): bigint | undefined {
  if (account.limit.kind !== 'credits_must_not_exceed_debits') return undefined;
  return account.debitsPosted - account.creditsPosted - account.creditsPending;
}

/** Whether a correction has driven the account past its limit: it must be frozen until it is made good. */
export function isOverdrawn(account: Account): boolean {
  return (debitHeadroom(account) ?? 0n) < 0n || (creditHeadroom(account) ?? 0n) < 0n;
}
