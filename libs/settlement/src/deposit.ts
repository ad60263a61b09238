import type { OutpointKey, ScriptHex, Txid } from '@finality/bitcoin';
import { type Aggregate, assert, assertNever, type Instant, type Sats } from '@finality/kernel';
import type { Claim } from '@finality/ledger';
import type { ConfirmationDecision } from './confirmation-policy.ts';
import type { Assessment, BlockRef, FundingSource } from './settlement.ts';

/** Money from outside, by its outpoint. */
export interface DepositTerms {
  readonly outpoint: OutpointKey;
  readonly txid: Txid;
  readonly coinbase: boolean;
  readonly walletId: string;
  /** The signer has the wallet's keys. Otherwise this is a memo of what its owner has. */
  readonly custodial: boolean;
  readonly script: ScriptHex;
  readonly address: string;
  readonly valueSats: Sats;
  readonly sources: readonly FundingSource[];
}

/** Whose it is. Suspense says why nobody's. */
export type Beneficiary =
  | { readonly kind: 'institution'; readonly institutionId: string; readonly claim: Claim }
  | { readonly kind: 'suspense'; readonly reason: SuspenseReason };

export type SuspenseReason = 'unissued_address' | 'change_address' | 'dust' | 'coinbase';

/** Somebody knows whose money in suspense is, and where that can be looked up. */
export interface Resolution {
  readonly institutionId: string;
  readonly proposedBy: string;
  readonly reason: string;
  readonly evidence: string;
  /** A second person; it is the institution's from then on. */
  readonly confirmedBy?: string;
  readonly confirmationReason?: string;
}

export type DepositEvent = { readonly at: Instant } & (
  | { readonly type: 'deposit_detected'; readonly terms: DepositTerms; readonly beneficiary: Beneficiary }
  /** The address turned out to be issued: its notice came later than the money. */
  | { readonly type: 'deposit_attributed'; readonly beneficiary: Beneficiary }
  /** In suspense: whose it is to be, and, another person agreeing, is. */
  | { readonly type: 'resolution_proposed'; readonly resolution: Resolution }
  | {
      readonly type: 'resolution_confirmed';
      readonly by: string;
      readonly reason: string;
      readonly beneficiary: Beneficiary;
    }
  | { readonly type: 'deposit_confirmed'; readonly block: BlockRef }
  | { readonly type: 'deposit_unconfirmed'; readonly block: BlockRef }
  | { readonly type: 'deposit_risk_assessed'; readonly assessment: Assessment }
  | { readonly type: 'deposit_aml_assessed'; readonly assessment: Assessment }
  | {
      readonly type: 'deposit_reviewed';
      readonly decision: 'approve' | 'reject';
      readonly reason: string;
      readonly by: string;
    }
  | { readonly type: 'deposit_held'; readonly reason: string }
  | { readonly type: 'deposit_credited'; readonly confirmations: ConfirmationDecision }
  | {
      readonly type: 'deposit_gone';
      readonly reason: 'replaced' | 'evicted';
      readonly byTxid?: string;
      readonly byBlock?: BlockRef;
    }
  | { readonly type: 'deposit_seen_again' }
  | { readonly type: 'deposit_reversed'; readonly byTxid: string; readonly byBlock: BlockRef }
);

interface DepositLife {
  readonly terms: DepositTerms;
  readonly beneficiary: Beneficiary;
  readonly resolution?: Resolution;
  readonly risk?: Assessment;
  readonly aml?: Assessment;
  /** A person's decision, which stands above both. */
  readonly review?: { readonly decision: 'approve' | 'reject'; readonly reason: string; readonly by: string };
  /** How often it has been booked as incoming: the life of those transfers. */
  readonly episode: number;
  /** How often it has been in a block. */
  readonly life: number;
  /** How often it has been credited or held: the life of those transfers. */
  readonly decisions: number;
  readonly detectedAt: Instant;
  readonly updatedAt: Instant;
}

export type Deposit =
  /** A verdict may be heard before the deposit itself: a restored store hears everything again, in any order. */
  | { readonly status: 'none'; readonly risk?: Assessment; readonly aml?: Assessment }
  | (DepositLife &
      (
        | { readonly status: 'detected' }
        | { readonly status: 'confirmed'; readonly block: BlockRef }
        | { readonly status: 'held'; readonly block: BlockRef; readonly reason: string }
        | { readonly status: 'credited'; readonly block: BlockRef }
        /** A reorg took its block away. */
        | { readonly status: 'unconfirmed' }
        | { readonly status: 'gone'; readonly reason: string; readonly byTxid?: string; readonly byBlock?: BlockRef }
        | { readonly status: 'reversed'; readonly byTxid: string; readonly byBlock: BlockRef }
      ));

export type KnownDeposit = Exclude<Deposit, { status: 'none' }>;

export const depositAggregate: Aggregate<Deposit, DepositEvent> = {
  name: 'deposit',
  initialState: { status: 'none' },
  evolve,
};

export function known(deposit: Deposit): KnownDeposit {
  assert(deposit.status !== 'none', 'the deposit does not exist');
  return deposit;
}

/** Both screenings are needed; anything but two approvals isn't one. */
export function screeningOf(deposit: KnownDeposit): 'open' | 'approved' | { readonly refusedBecause: string } {
  if (deposit.review !== undefined) {
    return deposit.review.decision === 'approve'
      ? 'approved'
      : { refusedBecause: `rejected: ${deposit.review.reason}` };
  }
  const refused = [deposit.risk, deposit.aml].find(
    (assessment) => assessment !== undefined && assessment.recommendation !== 'approve',
  );
  if (refused !== undefined) return { refusedBecause: refused.reason };
  return deposit.risk === undefined || deposit.aml === undefined ? 'open' : 'approved';
}

function evolve(state: Deposit, event: DepositEvent): Deposit {
  if (event.type === 'deposit_detected') {
    assert(state.status === 'none', 'a deposit is detected once');
    const { terms, beneficiary, at } = event;
    const life = { episode: 1, life: 0, decisions: 0, detectedAt: at, updatedAt: at };
    return { ...state, status: 'detected', terms, beneficiary, ...life };
  }
  if (state.status === 'none' && event.type === 'deposit_risk_assessed') return { ...state, risk: event.assessment };
  if (state.status === 'none' && event.type === 'deposit_aml_assessed') return { ...state, aml: event.assessment };
  return evolveKnown(known(state), event);
}

function evolveKnown(state: KnownDeposit, event: Exclude<DepositEvent, { type: 'deposit_detected' }>): KnownDeposit {
  const life: DepositLife = { ...lifeOf(state), updatedAt: event.at };
  switch (event.type) {
    case 'deposit_attributed':
      return { ...state, ...life, beneficiary: event.beneficiary };
    case 'resolution_proposed':
      return { ...state, ...life, resolution: event.resolution };
    case 'resolution_confirmed': {
      assert(state.resolution !== undefined, 'what is confirmed was proposed');
      const resolution = { ...state.resolution, confirmedBy: event.by, confirmationReason: event.reason };
      return { ...state, ...life, beneficiary: event.beneficiary, resolution };
    }
    case 'deposit_confirmed':
      assert(
        state.status === 'detected' || state.status === 'unconfirmed',
        `a deposit that is ${state.status} can't confirm`,
      );
      return { ...life, status: 'confirmed', block: event.block, life: state.life + 1 };
    case 'deposit_unconfirmed':
      assert('block' in state && state.block.hash === event.block.hash, 'it leaves the block it was in');
      return { ...life, status: 'unconfirmed' };
    case 'deposit_risk_assessed':
      return { ...state, ...life, risk: event.assessment };
    case 'deposit_aml_assessed':
      return { ...state, ...life, aml: event.assessment };
    case 'deposit_reviewed': {
      const { decision, reason, by } = event;
      const held = state.status === 'held' && decision === 'reject' ? { reason: `rejected: ${reason}` } : {};
      return { ...state, ...life, ...held, review: { decision, reason, by } };
    }
    case 'deposit_held':
      assert(state.status === 'confirmed', `a deposit that is ${state.status} can't be held`);
      return { ...life, status: 'held', block: state.block, reason: event.reason, decisions: state.decisions + 1 };
    case 'deposit_credited':
      assert(
        state.status === 'confirmed' || state.status === 'held',
        `a deposit that is ${state.status} can't be credited`,
      );
      return { ...life, status: 'credited', block: state.block, decisions: state.decisions + 1 };
    case 'deposit_gone': {
      assert(state.status !== 'reversed', 'a reversed deposit is gone already');
      const { byTxid, byBlock } = event;
      return {
        ...life,
        status: 'gone',
        reason: event.reason,
        ...(byTxid === undefined ? {} : { byTxid }),
        ...(byBlock === undefined ? {} : { byBlock }),
      };
    }
    case 'deposit_seen_again':
      assert(state.status === 'gone' || state.status === 'reversed', `a deposit that is ${state.status} wasn't away`);
      return { ...life, status: 'detected', episode: state.episode + 1 };
    case 'deposit_reversed':
      return { ...life, status: 'reversed', byTxid: event.byTxid, byBlock: event.byBlock };
    default:
      return assertNever(event, 'deposit event');
  }
}

function lifeOf(state: KnownDeposit): DepositLife {
  const { terms, beneficiary, resolution, risk, aml, review, episode, life, decisions, detectedAt, updatedAt } = state;
  return {
    terms,
    beneficiary,
    ...(resolution === undefined ? {} : { resolution }),
    ...(risk === undefined ? {} : { risk }),
    ...(aml === undefined ? {} : { aml }),
    ...(review === undefined ? {} : { review }),
    episode,
    life,
    decisions,
    detectedAt,
    updatedAt,
  };
}
