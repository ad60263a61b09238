import { judged } from './settlement-judged.ts';
import { again, type Approval, type Approvals, type ComplianceReview, type Life, move } from './settlement-life.ts';
import { type CoinSelectionFault, type FeeTerms, type OutpointKey, type ScriptHex, type Txid } from '@finality/bitcoin';
import { type Aggregate, assert, assertNever, type Instant, type Sats } from '@finality/kernel';
import type { Claim } from '@finality/ledger';
import type { ConfirmationDecision } from './confirmation-policy.ts';
import type { NetPayout } from './window-payout.ts';
import type { UnitTerms } from './unit-terms.ts';
import type { Priority } from './queue.ts';

export type Mode = 'centralized' | 'bilateral' | 'blockchain';

/** An address of the payee's outside the platform, as its registry has it: what is paid there has left. */
export interface DestinationPayee {
  readonly kind: 'destination';
  readonly destinationId: string;
  readonly script: ScriptHex;
  readonly address: string;
}

/** A wallet here; with the destination that it is to the signer where its keys are the payee's own and the signer pays it. */
export type WalletPayee = Extract<Claim, { kind: 'wallet' }> & { readonly destinationId?: string };

/** Who gets it, on the platform or outside. */
export type Payee = Exclude<Claim, { kind: 'wallet' }> | WalletPayee | DestinationPayee;

/** What was agreed; never changes. */
export interface Terms {
  readonly settlementId: string;
  readonly from: string;
  readonly to: string;
  readonly amountSats: Sats;
  readonly mode: Mode;
  readonly referenceId: string;
  /** Of the request that made it. */
  readonly idempotencyKey: string;
  readonly callbackUrl?: string;
  /** Which of its wallets pays, where the payer has said so. */
  readonly payerWalletId?: string;
  /** Of the payee's destinations, where the payer has named one. */
  readonly destinationId?: string;
  /** API key that asked: it may not review. */
  readonly submittedBy: string;
  readonly payer: Claim;
  readonly payee: Payee;
  /** Who bears the network fee of the on-chain modes. */
  readonly fees: FeeTerms;
  readonly policyVersion: string;
  /** The settlement that it pays back, or a part of. */
  readonly reverses?: string;
  /** A clearing balance, or a part of it, that leaves for a wallet of its owner's when a window closes. */
  readonly netPayout?: NetPayout;
  /** Where it isn't `amountSats` that is paid, which is 0 then. */
  readonly units?: UnitTerms;
  /** CENTRALIZED only, in the payer's line when it is short of liquidity. Missing: normal. */
  readonly priority?: Priority;
  /** When it is to be begun: missing, at once. */
  readonly executeAt?: Instant;
  /** What isn't being paid by then isn't any more. Missing: the policy's time. */
  readonly expiresAt?: Instant;
}

export type Recommendation = 'approve' | 'manual_review' | 'reject';

/** What risk or AML said, with the version of the rules that said it. */
export interface Assessment {
  readonly recommendation: Recommendation;
  readonly rulesVersion: string;
  readonly reason: string;
}

/** An external script whose deposit funds a coin; empty strings where the node couldn't tell. */
export interface FundingSource {
  readonly script: string;
  readonly address: string;
  readonly depositOutpoint: string;
}

export interface BlockRef {
  readonly height: number;
  readonly hash: string;
}

/** How a settlement is paid: by the version of its lineage that is in a block, else by the one offered last. */
export interface Payout {
  readonly lineageId: string;
  /** That it was in before: they may pay it still, should a reorg take back what is final. */
  readonly formerLineages: readonly string[];
  readonly txid: Txid;
  readonly outpoint: OutpointKey;
  /** Its share of that version's fee. */
  readonly feeSats: Sats;
  /** Of the share: its part of what was too little for change. */
  readonly droppedSats: Sats;
  /** Its share of the first version's fee, without what was dropped. */
  readonly quoteSats: Sats;
  /** The payee's part of the quote: what its output has less than the amount. */
  readonly payeeFeeSats: Sats;
  /** In flight for the fee: the most that a version offered so far may take; just the fee once it has been paid. */
  readonly heldSats: Sats;
  /** How often it has been seen in a block. */
  readonly life: number;
}

/** What a queued settlement waits for: liquidity of the payer, room below its cap, its wallet's being caught up with, or coins of it and why those there are don't do. */
export type WaitReason =
  'INSUFFICIENT_LIQUIDITY' | 'WINDOW_DEBIT_CAP' | 'WALLET_SCANNING' | CoinSelectionFault['reason'];

/** What a CENTRALIZED settlement was part of. */
export interface Cleared {
  /** The window that it falls into, for good; missing without netting. */
  readonly windowId?: string;
  /** It was settled at once with others that waited, too, and were what paid for it. */
  readonly gridlockId?: string;
}

export type SettlementEvent = { readonly at: Instant } &
  /** With what makes it final; CENTRALIZED is at once. */
  (
    | { readonly type: 'settlement_received'; readonly terms: Terms; readonly confirmations?: ConfirmationDecision }
    /** Nothing is done about it until then. */
    | { readonly type: 'settlement_scheduled' }
    /** With the version of the payer's limits that it counts against from now on, and whose approval it needs, where there are some. */
    | {
        readonly type: 'screening_requested';
        readonly sources: readonly FundingSource[];
        readonly limitsVersion?: number;
        readonly approvals?: Omit<Approvals, 'given'>;
      }
    | { readonly type: 'risk_assessed'; readonly assessment: Assessment }
    | { readonly type: 'aml_assessed'; readonly assessment: Assessment }
    /** `compliance`: screening leaves it to a compliance officer. Else the payer's own persons are to approve, and with him maybe, too. */
    | { readonly type: 'review_required'; readonly reason: string; readonly compliance: boolean }
    | { readonly type: 'approval_given'; readonly approval: Omit<Approval, 'at'> }
    /** `compliance_passed`: the officer has nothing against it, what is missing are approvals. A person's approval may ask for more confirmations. */
    | {
        readonly type: 'compliance_passed' | 'settlement_approved';
        readonly reason: string;
        readonly by: string;
        readonly confirmations?: ConfirmationDecision;
      }
    | { readonly type: 'settlement_rejected'; readonly reason: string; readonly by: string }
    | { readonly type: 'liquidity_awaited'; readonly reason: string; readonly waitsFor: WaitReason }
    /** Still queued, behind those of that priority. */
    | { readonly type: 'priority_changed'; readonly priority: Priority; readonly by: string }
    /** Still queued, and for something else. */
    | { readonly type: 'wait_changed'; readonly waitsFor: WaitReason }
    /** With the lineage that will pay it and what is reserved beside the amount, for the on-chain modes. */
    | { readonly type: 'liquidity_reserved'; readonly lineageId?: string; readonly feeReservedSats?: Sats }
    /** The payer's wallet signs for itself: what it is to sign can be asked for. */
    | { readonly type: 'signature_awaited' }
    /** What it is to sign has left: from here on it may be paid. */
    | { readonly type: 'psbt_handed_out'; readonly payout: Payout }
    /** Signed by all who have to, or seen on the network as such. */
    | { readonly type: 'payout_signed'; readonly payout: Payout }
    | { readonly type: 'payout_offered'; readonly payout: Payout }
    /** Another version of its transaction is offered; to a restored store, maybe while one it knew is in a block. */
    | { readonly type: 'payout_replaced'; readonly payout: Payout }
    /** What its transaction would have been has lost, without it: another lineage is to pay it. */
    | { readonly type: 'payout_requeued'; readonly lineageId: string; readonly reason: string }
    | { readonly type: 'payout_confirmed'; readonly block: BlockRef; readonly payout: Payout }
    /** `height`: of the last block below the one that is gone. */
    | { readonly type: 'payout_unconfirmed'; readonly reason: string; readonly height: number }
    /** CENTRALIZED: how it was cleared. */
    | ({ readonly type: 'settlement_settled' } & Cleared)
    | { readonly type: 'settlement_reopened'; readonly reason: string; readonly height: number }
    /** `excluded`: it can't confirm any more. `overdue`: it may, so the amount stays in suspense. */
    | { readonly type: 'settlement_reversed'; readonly reason: string; readonly because: 'excluded' | 'overdue' }
    | { readonly type: 'settlement_failed'; readonly reason: string }
    /** After a transaction was offered: it ends cancelled if one that leaves it out is final, and settled if one that pays it is. */
    | { readonly type: 'cancellation_requested'; readonly reason: string; readonly by: string }
    | { readonly type: 'settlement_cancelled'; readonly reason: string; readonly by: string }
    | { readonly type: 'settlement_expired'; readonly reason: string }
    /** It is to be paid back by another one; what it is itself stays. */
    | { readonly type: 'reversal_requested'; readonly reversalId: string }
  );

/** States of DESIGN 7; each has only its own fields. */
export type Settlement = { readonly status: 'none' } | LivingSettlement;

export type LivingSettlement = Life &
  (
    | { readonly status: 'received' | 'scheduled' | 'screening' | 'approved' }
    | { readonly status: 'under_review'; readonly compliance: ComplianceReview }
    | { readonly status: 'queued'; readonly waitsFor: WaitReason }
    | { readonly status: 'rejected' | 'expired' | 'cancelled' }
    | { readonly status: 'reserved'; readonly lineageId?: string; readonly feeReservedSats?: Sats }
    /** With a payout once a PSBT has been handed out: until then it can be taken back. */
    | ({ readonly status: 'awaiting_signature' } & (
        { readonly lineageId: string; readonly feeReservedSats: Sats } | { readonly payout: Payout }
      ))
    | { readonly status: 'executing'; readonly payout: Payout }
    | { readonly status: 'confirming'; readonly payout: Payout; readonly block: BlockRef }
    | ({ readonly status: 'settled'; readonly payout?: Payout; readonly block?: BlockRef } & Cleared)
    /** Either in a block again, or unconfirmed since the block at that height. */
    | ({ readonly status: 'reopened'; readonly payout: Payout } & (
        { readonly block: BlockRef } | { readonly unconfirmedSince: number }
      ))
    | {
        readonly status: 'reversed';
        readonly payout: Payout;
        readonly because: 'excluded' | 'overdue';
        readonly block?: BlockRef;
      }
    | { readonly status: 'failed'; readonly payout?: Payout }
  );

export type SettlementStatus = LivingSettlement['status'];

export const settlementAggregate: Aggregate<Settlement, SettlementEvent> = {
  name: 'settlement',
  initialState: { status: 'none' },
  evolve,
};

/** The settlement, when it must be there. */
export function living(settlement: Settlement): LivingSettlement {
  assert(settlement.status !== 'none', 'the settlement does not exist');
  return settlement;
}

/** Offered, and in no block. */
export type WaitingSettlement = Extract<
  LivingSettlement,
  { status: 'executing' | 'awaiting_signature'; payout: Payout }
>;

export const isWaiting = (state: Settlement): state is WaitingSettlement =>
  state.status === 'executing' || (state.status === 'awaiting_signature' && 'payout' in state);

/** The lineage that pays it, or is to. */
export function lineageIdOf(state: LivingSettlement): string | undefined {
  if ('payout' in state && state.payout !== undefined) return state.payout.lineageId;
  return 'lineageId' in state ? state.lineageId : undefined;
}

const NOT_FOR_COINS: readonly WaitReason[] = ['TRANSACTION_TOO_HEAVY', 'WALLET_SCANNING'];

/** Queued, for something that consolidating the payer's coins would make scarcer. */
export const waitsForCoins = (state: Settlement): state is Extract<LivingSettlement, { status: 'queued' }> =>
  state.status === 'queued' && state.terms.payer.kind === 'wallet' && !NOT_FOR_COINS.includes(state.waitsFor);

/** Every transaction that could pay it is dead, and its money was given back: for good, whatever a reorg past all finality brings. */
export const isGivenUp = (state: LivingSettlement): boolean =>
  state.status === 'failed' ||
  state.status === 'cancelled' ||
  (state.status === 'reversed' && state.because === 'excluded');

/** Confirmations that make it final. */
export const confirmationsRequired = ({ confirmations }: LivingSettlement): number => confirmations?.required ?? 0;

/** Confirmations at a tip: derived, never stored. */
export function confirmationsAt(settlement: LivingSettlement, tipHeight: number): number {
  const block = 'block' in settlement ? settlement.block : undefined;
  return block === undefined ? 0 : Math.max(0, tipHeight - block.height + 1);
}

function evolve(state: Settlement, event: SettlementEvent): Settlement {
  if (event.type === 'settlement_received') {
    assert(state.status === 'none', 'a settlement is received once');
    return {
      status: 'received',
      terms: event.terms,
      ...(event.confirmations && { confirmations: event.confirmations }),
      sources: [],
      transitions: [{ status: 'received', at: event.at, reason: '' }],
      createdAt: event.at,
      updatedAt: event.at,
      reservedTimes: 0,
      settledTimes: 0,
      reversals: [],
    };
  }
  return evolveLiving(living(state), event);
}

function evolveLiving(
  state: LivingSettlement,
  event: Exclude<SettlementEvent, { type: 'settlement_received' }>,
): LivingSettlement {
  const { at } = event;
  switch (event.type) {
    case 'settlement_scheduled':
      return { ...move(state, 'scheduled', at), status: 'scheduled' };
    case 'screening_requested':
    case 'risk_assessed':
    case 'aml_assessed':
    case 'review_required':
    case 'approval_given':
    case 'compliance_passed':
    case 'settlement_approved':
      return judged(state, event);
    case 'settlement_rejected':
      return { ...move(state, 'rejected', at, event.reason), status: 'rejected' };
    case 'liquidity_awaited':
      return { ...move(state, 'queued', at, event.reason), status: 'queued', waitsFor: event.waitsFor };
    case 'wait_changed':
    case 'priority_changed':
      return stillQueued(state, event);
    case 'liquidity_reserved':
      return reserved(state, event);
    case 'signature_awaited':
    case 'psbt_handed_out':
    case 'payout_signed':
    case 'payout_offered':
    case 'payout_replaced':
      return offered(state, event);
    case 'payout_requeued':
      return requeued(state, event);
    case 'payout_confirmed':
      return confirmed(state, event);
    case 'payout_unconfirmed':
      return unconfirmed(state, event);
    case 'settlement_settled':
      return settled(state, event);
    case 'settlement_reopened':
      assert(state.status === 'settled' && state.payout !== undefined, 'only a payout on the chain can be reopened');
      return {
        ...move(state, 'reopened', at, event.reason),
        status: 'reopened',
        payout: state.payout,
        unconfirmedSince: event.height,
      };
    case 'settlement_reversed':
      return reversed(state, event);
    case 'settlement_failed':
      return { ...move(state, 'failed', at, event.reason), status: 'failed', ...payoutOf(state) };
    case 'cancellation_requested':
      return offered({ ...state, cancelling: { reason: event.reason, by: event.by } }, event);
    case 'settlement_cancelled':
      return { ...move(state, 'cancelled', at, event.reason), status: 'cancelled' };
    case 'settlement_expired':
      return { ...move(state, 'expired', at, event.reason), status: 'expired' };
    case 'reversal_requested':
      return { ...state, reversals: [...state.reversals, event.reversalId], updatedAt: at };
    default:
      return assertNever(event, 'settlement event');
  }
}

function stillQueued(
  state: LivingSettlement,
  event: Extract<SettlementEvent, { type: 'wait_changed' | 'priority_changed' }>,
): LivingSettlement {
  assert(state.status === 'queued', `a settlement that is ${state.status} waits for nothing`);
  const queued = { ...again(state, event.at), status: state.status, waitsFor: state.waitsFor };
  if (event.type === 'priority_changed') return { ...queued, priority: event.priority };
  return { ...queued, waitsFor: event.waitsFor };
}

type OfferedEvent = Extract<
  SettlementEvent,
  {
    type:
      | 'signature_awaited'
      | 'psbt_handed_out'
      | 'payout_signed'
      | 'payout_offered'
      | 'payout_replaced'
      | 'cancellation_requested';
  }
>;

/** On its way to whoever signs, and from him. */
function offered(state: LivingSettlement, event: OfferedEvent): LivingSettlement {
  const { at } = event;
  switch (event.type) {
    case 'signature_awaited':
      return awaited(state, at);
    case 'psbt_handed_out':
      assert(state.status === 'awaiting_signature', `nothing is handed out to sign while ${state.status}`);
      return { ...again(state, at), status: 'awaiting_signature', payout: event.payout };
    case 'payout_signed':
      assert(state.status === 'awaiting_signature', `no signature is awaited while ${state.status}`);
      return { ...move(state, 'executing', at), status: 'executing', payout: event.payout };
    case 'payout_offered':
      return { ...move(state, 'executing', at), status: 'executing', payout: event.payout };
    case 'payout_replaced':
      return waiting(state, at, event.payout);
    case 'cancellation_requested':
      return waiting(state, at);
    default:
      return assertNever(event, 'settlement event');
  }
}

/** Offered, and in no block: what is going to pay it, or may, is another transaction now. */
function waiting(state: LivingSettlement, at: Instant, payout?: Payout): LivingSettlement {
  const { status } = state;
  // An import learns of a version that was offered before a block had another one.
  if (status === 'confirming' && payout !== undefined)
    return { ...again(state, at), status, payout, block: state.block };
  assert(
    (status === 'executing' || status === 'awaiting_signature') && 'payout' in state,
    `a transaction is replaced before it is in a block, not while ${status}`,
  );
  return status === 'executing'
    ? { ...again(state, at), status, payout: payout ?? state.payout }
    : { ...again(state, at), status, payout: payout ?? state.payout };
}

function awaited(state: LivingSettlement, at: Instant): LivingSettlement {
  assert(state.status === 'reserved', `a signature is awaited for what is reserved, not ${state.status}`);
  const { lineageId, feeReservedSats } = state;
  assert(lineageId !== undefined && feeReservedSats !== undefined, 'what is signed was reserved on the chain');
  return { ...move(state, 'awaiting_signature', at), status: 'awaiting_signature', lineageId, feeReservedSats };
}

function requeued(state: LivingSettlement, { lineageId, at }: { lineageId: string; at: Instant }): LivingSettlement {
  assert(
    state.status === 'executing' || state.status === 'reopened' || state.status === 'reversed',
    `a payout is left over while it waits, not ${state.status}`,
  );
  return { ...state, payout: { ...state.payout, ...movedTo(state.payout, lineageId) }, updatedAt: at };
}

/** The lineage that is to pay it now, and those that were to before. */
export function movedTo(
  { lineageId: before, formerLineages }: Payout,
  lineageId: string,
): Pick<Payout, 'lineageId' | 'formerLineages'> {
  if (before === lineageId) return { lineageId, formerLineages };
  return { lineageId, formerLineages: [...formerLineages.filter((id) => id !== lineageId && id !== before), before] };
}

function reserved(
  state: LivingSettlement,
  { at, lineageId, feeReservedSats }: Extract<SettlementEvent, { type: 'liquidity_reserved' }>,
): LivingSettlement {
  return {
    ...move(state, 'reserved', at),
    status: 'reserved',
    reservedTimes: state.reservedTimes + 1,
    ...(lineageId === undefined ? {} : { lineageId }),
    ...(feeReservedSats === undefined ? {} : { feeReservedSats }),
  };
}

function confirmed(state: LivingSettlement, event: { block: BlockRef; payout: Payout; at: Instant }): LivingSettlement {
  const { block, payout, at } = event;
  if (state.status === 'reopened') return { ...again(state, at), status: 'reopened', payout, block };
  if (state.status === 'reversed')
    return { ...again(state, at), status: 'reversed', because: state.because, payout, block };
  assert(state.status === 'executing', `a payout confirms while executing, not ${state.status}`);
  return { ...move(state, 'confirming', at), status: 'confirming', payout, block };
}

function unconfirmed(
  state: LivingSettlement,
  event: { reason: string; at: Instant; height: number },
): LivingSettlement {
  if (state.status === 'reopened') {
    return { ...again(state, event.at), status: 'reopened', payout: state.payout, unconfirmedSince: event.height };
  }
  if (state.status === 'reversed')
    return { ...again(state, event.at), status: 'reversed', because: state.because, payout: state.payout };
  assert(state.status === 'confirming', `a payout un-confirms while confirming, not ${state.status}`);
  return { ...move(state, 'executing', event.at, event.reason), status: 'executing', payout: state.payout };
}

/** What was overdue may turn out to be excluded later. */
function reversed(
  state: LivingSettlement,
  event: Extract<SettlementEvent, { type: 'settlement_reversed' }>,
): LivingSettlement {
  const { at, reason, because } = event;
  if (state.status === 'reversed' && state.because === 'overdue' && because === 'excluded')
    return { ...again(state, at), status: 'reversed', payout: state.payout, because };
  assert(state.status === 'reopened', 'only a reopened settlement is reversed');
  return { ...move(state, 'reversed', at, reason), status: 'reversed', payout: state.payout, because };
}

function settled(state: LivingSettlement, { at, windowId, gridlockId }: Cleared & { at: Instant }): LivingSettlement {
  const life = { ...move(state, 'settled', at), settledTimes: state.settledTimes + 1 };
  if (state.status !== 'confirming' && state.status !== 'reopened') {
    const window = windowId === undefined ? {} : { windowId };
    return { ...life, status: 'settled', ...window, ...(gridlockId !== undefined && { gridlockId }) };
  }
  assert('block' in state, 'only what is in a block settles');
  const { payout } = state;
  return { ...life, status: 'settled', payout: { ...payout, heldSats: payout.feeSats }, block: state.block };
}

const payoutOf = (state: LivingSettlement): { payout?: Payout } =>
  'payout' in state && state.payout !== undefined ? { payout: state.payout } : {};
