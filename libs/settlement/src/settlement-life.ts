import { assert, type Instant } from '@finality/kernel';
import type { ConfirmationDecision } from './confirmation-policy.ts';
import type { Priority } from './queue.ts';
import { NEXT_STATES } from './settlement-states.ts';
import type { Assessment, FundingSource, LivingSettlement, SettlementStatus, Terms } from './settlement.ts';

export interface Transition {
  readonly status: SettlementStatus;
  readonly at: Instant;
  readonly reason: string;
}

/** Of exactly this payout, by a signatory of the payer: only the signer judges it (BIP322). */
export interface SignedApproval {
  /** The address whose keys signed. */
  readonly signatory: string;
  readonly nonce: string;
  /** Whole seconds. */
  readonly validUntil: Instant;
  readonly signature: string;
}

/** By somebody of the payer's other than who asked. */
export interface Approval {
  /** API key. */
  readonly by: string;
  readonly reason: string;
  readonly at: Instant;
  readonly signed?: SignedApproval;
}

export interface Approvals {
  readonly required: number;
  /** Each by a signatory, too. */
  readonly areSigned: boolean;
  /** Of the rules that say so. */
  readonly rulesVersion: number;
  /** Of different persons. */
  readonly given: readonly Approval[];
}

/** Of a compliance officer: whether screening has left it to one, and he has said yes. */
export type ComplianceReview = 'unneeded' | 'awaited' | 'passed';

/** What a settlement has in every state. */
export interface Life {
  readonly terms: Terms;
  /** Missing: final at once. */
  readonly confirmations?: ConfirmationDecision;
  readonly sources: readonly FundingSource[];
  readonly risk?: Assessment;
  readonly aml?: Assessment;
  readonly transitions: readonly Transition[];
  /** Where it isn't any more what was asked for at first. */
  readonly priority?: Priority;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
  /** Of the payer's own persons, where its rules ask for some. */
  readonly approvals?: Approvals;
  /** Against the payer's limits: since when, and which version of them. */
  readonly counted?: { readonly at: Instant; readonly version: number };
  /** How often liquidity has been reserved for it: the life of those transfers. */
  readonly reservedTimes: number;
  /** How often it has become settled: the life of the transfers that say so. */
  readonly settledTimes: number;
  /** The payer wants it back, and a transaction may pay it still. */
  readonly cancelling?: { readonly reason: string; readonly by: string };
  /** Settlements that were asked for to pay it back, in whole or in part, oldest first. */
  readonly reversals: readonly string[];
}

/** In another state now. A step that isn't in the table is a bug and throws. */
export function move(state: LivingSettlement, to: SettlementStatus, at: Instant, reason = ''): Life {
  assert(NEXT_STATES[state.status].includes(to), `a settlement can't go from ${state.status} to ${to}`);
  return { ...again(state, at), transitions: [...state.transitions, { status: to, at, reason }] };
}

/** What a settlement keeps whatever state it is in. */
export function again(state: LivingSettlement, at: Instant): Life {
  const { terms, confirmations, sources, risk, aml, transitions, createdAt, ...more } = state;
  const { approvals, counted, reservedTimes, settledTimes, cancelling, reversals, priority } = more;
  return {
    terms,
    ...(confirmations === undefined ? {} : { confirmations }),
    sources,
    ...(risk === undefined ? {} : { risk }),
    ...(aml === undefined ? {} : { aml }),
    transitions,
    createdAt,
    updatedAt: at,
    ...(approvals === undefined ? {} : { approvals }),
    ...(counted === undefined ? {} : { counted }),
    reservedTimes,
    settledTimes,
    reversals,
    ...(cancelling === undefined ? {} : { cancelling }),
    ...(priority === undefined ? {} : { priority }),
  };
}
