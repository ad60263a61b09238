import { rewatched, type WatchedLiquidity, type WatchEvent } from './liquidity-level.ts';
import { type Aggregate, assert, assertNever, type Instant, type Role } from '@finality/kernel';
import type { Money, Unit } from '@finality/ledger';

/** Whose the pool is. No institution goes by it. */
export const PLATFORM_INSTITUTION_ID = 'platform';
/** The wallet whose coins back clearing balances. */
export const POOL_WALLET_ID = 'pool';

export type InstitutionEvent = { readonly at: Instant } & (
  | {
      readonly type: 'institution_created';
      readonly institutionId: string;
      readonly name: string;
      readonly creditLineSats: bigint;
    }
  /** Net debit cap from now on, until then or until it is set again. */
  | {
      readonly type: 'credit_line_set';
      readonly creditLineSats: bigint;
      readonly expiresAt?: Instant;
      readonly reason: string;
      readonly by: string;
      readonly confirmedBy?: string;
    }
  /** To 0; what is drawn stays drawn. */
  | { readonly type: 'credit_line_expired' }
  /** The same of another unit than BTC; an amount of 0 is none. */
  | {
      readonly type: 'unit_line_set';
      readonly limit: Money;
      readonly expiresAt?: Instant;
      readonly reason: string;
      readonly by: string;
      readonly confirmedBy?: string;
    }
  | { readonly type: 'unit_line_expired'; readonly unit: Unit }
  | WatchEvent
  | { readonly type: 'institution_frozen'; readonly reason: string }
  /** By two persons, who have looked at why. */
  | {
      readonly type: 'institution_unfrozen';
      readonly reason: string;
      readonly by: string;
      readonly confirmedBy: string;
      /** Although others stood in for what it owed, and have it back only in part. */
      readonly isOwing: boolean;
    }
);

/** What may be owed on a clearing balance in another unit than BTC. */
export interface UnitLine {
  readonly limit: Money;
  /** When it falls to 0; missing: not by itself. */
  readonly expiresAt?: Instant;
}

export type Institution =
  | { readonly status: 'none' }
  | {
      readonly status: 'active' | 'frozen';
      readonly institutionId: string;
      readonly name: string;
      /** Net debit cap on clearing beyond prefunding. */
      readonly creditLineSats: bigint;
      /** When it falls to 0; missing: not by itself. */
      readonly creditLineExpiresAt?: Instant;
      /** In other units, in the order in which they were set. */
      readonly unitLines: readonly UnitLine[];
      readonly watched: readonly WatchedLiquidity[];
      readonly reason?: string;
      readonly createdAt: Instant;
      readonly updatedAt: Instant;
    };

export const institutionAggregate: Aggregate<Institution, InstitutionEvent> = {
  name: 'institution',
  initialState: { status: 'none' },
  evolve(state, event) {
    switch (event.type) {
      case 'institution_created':
        assert(state.status === 'none', 'an institution is created once');
        return {
          status: 'active',
          institutionId: event.institutionId,
          name: event.name,
          creditLineSats: event.creditLineSats,
          unitLines: [],
          watched: [],
          createdAt: event.at,
          updatedAt: event.at,
        };
      case 'credit_line_set':
      case 'credit_line_expired':
        return withCreditLine(state, event);
      case 'unit_line_set':
      case 'unit_line_expired':
        return withUnitLine(state, event);
      case 'liquidity_alerts_set':
      case 'liquidity_level_changed':
        assert(state.status !== 'none', 'the institution does not exist');
        return { ...state, watched: rewatched(state.watched, event) };
      case 'institution_frozen':
        assert(state.status !== 'none', 'the institution does not exist');
        return { ...state, status: 'frozen', reason: event.reason, updatedAt: event.at };
      case 'institution_unfrozen':
        assert(state.status === 'frozen', 'only a frozen institution is unfrozen');
        return { ...state, status: 'active', reason: event.reason, updatedAt: event.at };
      default:
        return assertNever(event, 'institution event');
    }
  },
};

type CreditLineEvent = Extract<InstitutionEvent, { type: 'credit_line_set' | 'credit_line_expired' }>;

function withCreditLine(state: Institution, event: CreditLineEvent): Institution {
  assert(state.status !== 'none', 'the institution does not exist');
  const { creditLineExpiresAt: _before, ...institution } = state;
  if (event.type === 'credit_line_expired') return { ...institution, creditLineSats: 0n, updatedAt: event.at };
  const { creditLineSats, expiresAt, at } = event;
  const until = expiresAt === undefined ? {} : { creditLineExpiresAt: expiresAt };
  return { ...institution, creditLineSats, ...until, updatedAt: at };
}

type UnitLineEvent = Extract<InstitutionEvent, { type: 'unit_line_set' | 'unit_line_expired' }>;

function withUnitLine(state: Institution, event: UnitLineEvent): Institution {
  assert(state.status !== 'none', 'the institution does not exist');
  const unit = event.type === 'unit_line_set' ? event.limit.unit : event.unit;
  const others = state.unitLines.filter(({ limit }) => limit.unit !== unit);
  const updatedAt = event.at;
  if (event.type === 'unit_line_expired' || event.limit.amount === 0n)
    return { ...state, unitLines: others, updatedAt };
  const { limit, expiresAt } = event;
  const line: UnitLine = { limit, ...(expiresAt !== undefined && { expiresAt }) };
  return { ...state, unitLines: [...others, line], updatedAt };
}

export type ApiKeyEvent = { readonly at: Instant } & (
  | {
      readonly type: 'api_key_issued';
      readonly keyId: string;
      readonly institutionId: string;
      readonly roles: readonly Role[];
      readonly label: string;
      /** Hex; the secret itself is never stored. */
      readonly secretSha256: string;
      /** Missing: it has been there from the start. */
      readonly issued?: KeyIssue;
    }
  | { readonly type: 'api_key_revoked'; readonly reason: string }
);

/** Both persons' API keys. */
export interface KeyIssue {
  readonly by: string;
  readonly confirmedBy: string;
  readonly reason: string;
}

export type ApiKey =
  | { readonly status: 'none' }
  | {
      readonly status: 'active' | 'revoked';
      readonly keyId: string;
      /** Empty for operators, compliance officers and auditors. */
      readonly institutionId: string;
      readonly roles: readonly Role[];
      readonly label: string;
      readonly secretSha256: string;
      readonly issued?: KeyIssue;
      readonly createdAt: Instant;
    };

export const apiKeyAggregate: Aggregate<ApiKey, ApiKeyEvent> = {
  name: 'api_key',
  initialState: { status: 'none' },
  evolve(state, event) {
    switch (event.type) {
      case 'api_key_issued': {
        assert(state.status === 'none', 'a key is issued once');
        const { type: _type, at, ...issued } = event;
        return { status: 'active', ...issued, createdAt: at };
      }
      case 'api_key_revoked':
        assert(state.status !== 'none', 'the key does not exist');
        return { ...state, status: 'revoked' };
      default:
        return assertNever(event, 'API key event');
    }
  },
};
