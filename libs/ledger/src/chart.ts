import { assert, assertNever } from '@finality/kernel';
import { type AccountId, type AccountSpec, type Limit } from './account.ts';
import { BTC, parseUnit, type Unit } from './unit.ts';

/**
 * Two kinds of claim, never mixed (DESIGN 6): on what the platform holds for all (its pool wallet; of another unit, its account at a bank),
 * or on the coins of one custodial wallet.
 */
export type Claim = ClearingClaim | { readonly kind: 'wallet'; readonly walletId: string };

export interface ClearingClaim {
  readonly kind: 'clearing';
  readonly institutionId: string;
  /** Missing: BTC, which the pool wallet backs. */
  readonly unit?: Unit;
}

/** The accounts that make up a claim. */
export type ClaimPart = 'available' | 'in_flight' | 'incoming' | 'held';

export const CLAIM_PARTS: readonly ClaimPart[] = ['available', 'in_flight', 'incoming', 'held'];

/** What an institution has put aside, in one unit: for what it owes itself, or for what others may fail to pay. */
export type Pledge = 'collateral' | 'default_fund';

export const PLEDGES: readonly Pledge[] = ['collateral', 'default_fund'];

/** Every account there is, as a union: what a path means. */
export type AccountName =
  | { readonly kind: 'claim'; readonly claim: Claim; readonly part: ClaimPart }
  | { readonly kind: 'pledge'; readonly pledge: Pledge; readonly institutionId: string; readonly unit: Unit }
  | { readonly kind: 'custody'; readonly walletId: string }
  | { readonly kind: 'suspense_wallet'; readonly walletId: string }
  | { readonly kind: 'suspense_settlement' }
  | { readonly kind: 'transit' }
  | { readonly kind: 'ccp'; readonly unit: Unit }
  | { readonly kind: 'nostro'; readonly unit: Unit }
  | { readonly kind: 'standby'; readonly unit: Unit }
  | { readonly kind: 'fees_network' };

/** What can be spent: credits less debits and reservations, plus the credit line. */
export const availableAccount = (claim: Claim): AccountId => claimAccount(claim, 'available');
/** Sent in a transaction that has been built and isn't seen in a block. */
export const inFlightAccount = (claim: Claim): AccountId => claimAccount(claim, 'in_flight');
/** On its way in: seen, but not final. */
export const incomingAccount = (claim: Claim): AccountId => claimAccount(claim, 'incoming');
/** Final, but not approved. */
export const heldAccount = (claim: Claim): AccountId => claimAccount(claim, 'held');
/** Put aside by an institution: still its own, and nothing it can pay with. */
export const pledgeAccount = (pledge: Pledge, institutionId: string, unit: Unit = BTC): AccountId =>
  unit === BTC ? path(pledge, institutionId) : path(path(pledge, institutionId), unit, true);
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
/** The central counterparty, one in each unit: every CENTRALIZED settlement passes through it and leaves nothing behind. */
export const ccpAccount = (unit: Unit = BTC): AccountId => (unit === BTC ? ('ccp' as AccountId) : path('ccp', unit));
/** What the platform has at banks in a unit that isn't on the chain (debit balance): never below zero. */
export const nostroAccount = (unit: Unit): AccountId => {
  assert(unit !== BTC, 'BTC is held by wallets');
  return path('nostro', unit);
};
/** An institution's clearing claim in a unit. */
export const clearingClaim = (institutionId: string, unit: Unit): ClearingClaim =>
  unit === BTC ? { kind: 'clearing', institutionId } : { kind: 'clearing', institutionId, unit };
/** What the platform has lent in a unit where participants have failed (debit balance). */
export const standbyAccount = (unit: Unit = BTC): AccountId =>
  unit === BTC ? ('standby' as AccountId) : path('standby', unit);
export const networkFeesAccount = (): AccountId => 'fees/network' as AccountId;

export function claimAccount(claim: Claim, part: ClaimPart): AccountId {
  return path(claimPath(claim), part, true);
}

/** What a claim is in. */
export const unitOf = (claim: Claim): Unit => (claim.kind === 'clearing' ? (claim.unit ?? BTC) : BTC);

/** `clearing/<institution>`, `clearing/<institution>/<unit>` or `wallet/<wallet>`: what the accounts of a claim begin with. */
export function claimPath(claim: Claim): string {
  switch (claim.kind) {
    case 'clearing':
      return claim.unit === undefined
        ? path('clearing', claim.institutionId)
        : path(path('clearing', claim.institutionId), claim.unit, true);
    case 'wallet':
      return path('wallet', claim.walletId);
    default:
      return assertNever(claim, 'claim');
  }
}

/** What a path stands for; undefined outside the chart. */
export const accountNamed = (id: string): AccountName | undefined => claimNamed(id) ?? platformNamed(id);

/** As {@link accountNamed}; a path outside the chart is a bug and throws. */
export function parseAccountId(id: string): AccountName {
  const name = accountNamed(id);
  if (name === undefined) throw new Error(`"${id}" is no account of the chart`);
  return name;
}

function claimNamed(id: string): AccountName | undefined {
  const [head, name, ...rest] = id.split('/');
  const part = rest.pop();
  const [code, ...more] = rest;
  if (name === undefined || !SEGMENT.test(name) || part === undefined || !isClaimPart(part) || more.length > 0)
    return undefined;
  if (head === 'wallet' && code === undefined)
    return { kind: 'claim', claim: { kind: 'wallet', walletId: name }, part };
  if (head !== 'clearing') return undefined;
  if (code === undefined) return { kind: 'claim', claim: { kind: 'clearing', institutionId: name }, part };
  const unit = otherUnit(code);
  return unit && { kind: 'claim', claim: { kind: 'clearing', institutionId: name, unit }, part };
}

function platformNamed(id: string): AccountName | undefined {
  switch (id) {
    case 'transit':
      return { kind: 'transit' };
    case 'ccp':
      return { kind: 'ccp', unit: BTC };
    case 'suspense/settlement':
      return { kind: 'suspense_settlement' };
    case 'standby':
      return { kind: 'standby', unit: BTC };
    case 'fees/network':
      return { kind: 'fees_network' };
  }
  const [head, name = '', ...rest] = id.split('/');
  if (!SEGMENT.test(name)) return undefined;
  if (head === 'collateral' || head === 'default_fund') return pledgeNamed(head, name, rest);
  if (rest.length > 0) return undefined;
  if (head === 'custody') return { kind: 'custody', walletId: name };
  if (head === 'suspense') return { kind: 'suspense_wallet', walletId: name };
  const unit = otherUnit(name);
  if (unit !== undefined && (head === 'ccp' || head === 'nostro' || head === 'standby')) return { kind: head, unit };
  return undefined;
}

function pledgeNamed(
  pledge: Pledge,
  institutionId: string,
  [code, ...more]: readonly string[],
): AccountName | undefined {
  const unit = code === undefined ? BTC : otherUnit(code);
  return unit === undefined || more.length > 0 ? undefined : { kind: 'pledge', pledge, institutionId, unit };
}

/** Each account has one path: those of BTC don't name it. */
function otherUnit(code: string): Unit | undefined {
  const unit = parseUnit(code);
  return unit === BTC ? undefined : unit;
}

/**
 * The unit and limit an account is opened with. What the chain says (custody, transit, incoming, suspense) is never refused; what we
 * decide (spending, sending, releasing, passing through the counterparty) is limited by what is there.
 */
export function accountSpec(id: AccountId): AccountSpec {
  const name = parseAccountId(id);
  return { id, unit: unitCounted(name), limit: limitOf(name) };
}

function unitCounted(name: AccountName): Unit {
  if (name.kind === 'claim') return unitOf(name.claim);
  return 'unit' in name ? name.unit : BTC;
}

const UNLIMITED: Limit = { kind: 'none' };
const NO_OVERDRAFT: Limit = { kind: 'debits_must_not_exceed_credits', overdraft: 0n };
const NO_MORE_THAN_THERE_IS: Limit = { kind: 'credits_must_not_exceed_debits' };

function limitOf(name: AccountName): Limit {
  switch (name.kind) {
    case 'claim':
      return name.part === 'incoming' ? UNLIMITED : NO_OVERDRAFT;
    case 'pledge':
    case 'ccp':
      return NO_OVERDRAFT;
    case 'nostro':
      return NO_MORE_THAN_THERE_IS;
    case 'custody':
    case 'suspense_wallet':
    case 'suspense_settlement':
    case 'transit':
    case 'standby':
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
