import { assert, assertNever } from '@finality/kernel';
import { type AccountId, type AccountSpec, type Limit } from './account.ts';

/** Two kinds of claim, never mixed (DESIGN 6): on the platform's pool wallet, or on the coins of one custodial wallet. */
export type Claim =
  | { readonly kind: 'clearing'; readonly institutionId: string }
  | { readonly kind: 'wallet'; readonly walletId: string };

/** The accounts that make up a claim. */
export type ClaimPart = 'available' | 'in_flight' | 'incoming' | 'held';

export const CLAIM_PARTS: readonly ClaimPart[] = ['available', 'in_flight', 'incoming', 'held'];

/** Every account there is, as a union: what a path means. */
export type AccountName =
  | { readonly kind: 'claim'; readonly claim: Claim; readonly part: ClaimPart }
  | { readonly kind: 'custody'; readonly walletId: string }
  | { readonly kind: 'suspense_wallet'; readonly walletId: string }
  | { readonly kind: 'suspense_settlement' }
  | { readonly kind: 'transit' }
  | { readonly kind: 'ccp' }
  | { readonly kind: 'fees_network' };

/** What can be spent: credits less debits and reservations, plus the credit line. */
export const availableAccount = (claim: Claim): AccountId => claimAccount(claim, 'available');
/** Sent in a transaction that has been built and isn't seen in a block. */
export const inFlightAccount = (claim: Claim): AccountId => claimAccount(claim, 'in_flight');
/** On its way in: seen, but not final. */
export const incomingAccount = (claim: Claim): AccountId => claimAccount(claim, 'incoming');
/** Final, but not approved. */
export const heldAccount = (claim: Claim): AccountId => claimAccount(claim, 'held');
/** A wallet's outputs unspent at the block consumed (debit balance). */
export const custodyAccount = (walletId: string): AccountId => path('custody', walletId);
/** Foreign money found on a wallet, with a reason elsewhere. */
export const walletSuspenseAccount = (walletId: string): AccountId => {
  assert(walletId !== 'settlement', 'no wallet can be called "settlement"');
  return path('suspense', walletId);
};
/** Amounts of settlements reopened by a reorg past their target. */
export const settlementSuspenseAccount = (): AccountId => 'suspense/settlement' as AccountId;
/** Value between what is booked as a claim and what is seen in a block. */
export const transitAccount = (): AccountId => 'transit' as AccountId;
/** The central counterparty: every CENTRALIZED settlement passes through it and leaves nothing behind. */
export const ccpAccount = (): AccountId => 'ccp' as AccountId;
export const networkFeesAccount = (): AccountId => 'fees/network' as AccountId;

export function claimAccount(claim: Claim, part: ClaimPart): AccountId {
  return path(claimPath(claim), part, true);
}

/** `clearing/<institution>` or `wallet/<wallet>`: what the accounts of a claim begin with. */
export function claimPath(claim: Claim): string {
  switch (claim.kind) {
    case 'clearing':
      return path('clearing', claim.institutionId);
    case 'wallet':
      return path('wallet', claim.walletId);
    default:
      return assertNever(claim, 'claim');
  }
}

/** What a path stands for; a path outside the chart is a bug and throws. */
export function parseAccountId(id: string): AccountName {
  const [head, name, part, ...rest] = id.split('/');
  if (rest.length === 0 && name !== undefined && SEGMENT.test(name)) {
    if (part !== undefined && isClaimPart(part)) {
      if (head === 'clearing') return { kind: 'claim', claim: { kind: 'clearing', institutionId: name }, part };
      if (head === 'wallet') return { kind: 'claim', claim: { kind: 'wallet', walletId: name }, part };
    }
    if (part === undefined) {
      if (head === 'custody') return { kind: 'custody', walletId: name };
      if (id === 'suspense/settlement') return { kind: 'suspense_settlement' };
      if (head === 'suspense') return { kind: 'suspense_wallet', walletId: name };
      if (id === 'fees/network') return { kind: 'fees_network' };
    }
  }
  if (id === 'transit') return { kind: 'transit' };
  if (id === 'ccp') return { kind: 'ccp' };
  throw new Error(`"${id}" is no account of the chart`);
}

/**
 * The unit and limit an account is opened with. What the chain says (custody, transit, incoming, suspense) is never refused; what we
 * decide (spending, sending, releasing, passing through the counterparty) is limited by what is there.
 */
export function accountSpec(id: AccountId): AccountSpec {
  return { id, unit: 'sat', limit: limitOf(parseAccountId(id)) };
}

const UNLIMITED: Limit = { kind: 'none' };
const NO_OVERDRAFT: Limit = { kind: 'debits_must_not_exceed_credits', overdraft: 0n };

function limitOf(name: AccountName): Limit {
  switch (name.kind) {
    case 'claim':
      return name.part === 'incoming' ? UNLIMITED : NO_OVERDRAFT;
    case 'ccp':
      return NO_OVERDRAFT;
    case 'custody':
    case 'suspense_wallet':
    case 'suspense_settlement':
    case 'transit':
    case 'fees_network':
      return UNLIMITED;
    default:
      return assertNever(name, 'account');
  }
}

/** Ids of institutions and wallets: UUIDs, or names such as `pool` and `demo-bank-a`. */
const SEGMENT = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

function path(head: string, name: string, headIsPath = false): AccountId {
  assert(SEGMENT.test(name), `"${name}" can't be part of an account's path`);
  assert(headIsPath || !head.includes('/'), `"${head}" can't begin an account's path`);
  return `${head}/${name}` as AccountId;
}

function isClaimPart(part: string): part is ClaimPart {
  return (CLAIM_PARTS as readonly string[]).includes(part);
}
