import type { FeeRate } from '@finality/bitcoin';
import { assertNever, type Principal } from '@finality/kernel';
import type { Unit } from '@finality/ledger';
import type { ChainFact } from '../chain-fact.ts';
import type { AddressRecord, WalletRecord } from '../coin.ts';
import type { DestinationRecord } from '../destination.ts';
import type { Destinations } from '../lineage.ts';
import { anchorHead, type HeadAnchorRequest } from '../process/anchor-head.ts';
import { type NewApiKey, registerFirstKey, revokeApiKey } from '../process/api-keys.ts';
import { carryOut, type Change } from '../process/changes.ts';
import { type PledgeRequest, postPledge } from '../process/collateral.ts';
import { collect } from '../process/collection.ts';
import { bumpSettlement } from '../process/bump.ts';
import { consolidate, type ConsolidationRequest } from '../process/consolidation.ts';
import { decideExchange, type ExchangeCommand, isExchangeCommand } from '../process/exchange-commands.ts';
import { expireCreditLine } from '../process/credit-lines.ts';
import { allowCounterparty, type CounterpartyRequest, removeCounterparty } from '../process/counterparties.ts';
import { confirmIncident } from '../process/incidents.ts';
import { freezeInstitution, createInstitution, type NewInstitution } from '../process/institutions.ts';
import { type LiquidityAlertsRequest, observeLiquidity, setLiquidityAlerts } from '../process/liquidity-alerts.ts';
import { reprioritize } from '../process/line.ts';
import { chooseWindowPayout, type PayoutRequest } from '../process/net-payouts.ts';
import { offer, signed, signingRefused } from '../process/offer.ts';
import { offset, type OffsetRequest } from '../process/offset.ts';
import { decideProposal, type ProposalCommand } from '../process/proposals.ts';
import { type AddedSignatures, addSignatures, preparePayout } from '../process/psbt.ts';
import { coinsReleased, confirmRelease, proposeRelease, type ReleaseRequest } from '../process/release.ts';
import { reserve } from '../process/reserve.ts';
import { type Review, review } from '../process/review.ts';
import { type Reversal, reverse } from '../process/reverse.ts';
import {
  attributeDeposits,
  depositAssessed,
  type DepositReview,
  reviewDeposit,
  type Screener,
  settlementAssessed,
} from '../process/screening.ts';
import { fallDue, submit, type Submission } from '../process/submit.ts';
import {
  confirmResolution,
  proposeResolution,
  type ResolutionConfirmation,
  type ResolutionRequest,
} from '../process/suspense.ts';
import { applyChainFact } from '../process/transactions.ts';
import {
  agreeNetting,
  closeWindow,
  endNetting,
  type NettingRequest,
  openWindow,
  type WindowClosing,
} from '../process/windows.ts';
import { cancel, destinationRefused, expire } from '../process/withdraw.ts';
import type { Priority } from '../queue.ts';
import type { Assessment } from '../settlement.ts';
import type { MemoryBook } from './memory-book.fixture.ts';

/** What the settlement service is told or asked, in the shape in which its store gets it. */
export type Command =
  | { readonly type: 'submit'; readonly submission: Submission }
  | { readonly type: 'reverse'; readonly reversal: Reversal }
  | { readonly type: 'cancel'; readonly settlementId: string; readonly reason: string; readonly caller: Principal }
  | { readonly type: 'review'; readonly review: Review }
  | { readonly type: 'review_deposit'; readonly review: DepositReview }
  | { readonly type: 'fall_due'; readonly settlementId: string }
  | { readonly type: 'expire'; readonly settlementId: string }
  | { readonly type: 'retry_reservation'; readonly settlementId: string }
  | { readonly type: 'create_institution'; readonly institution: NewInstitution }
  | {
      readonly type: 'reprioritize';
      readonly settlementId: string;
      readonly priority: Priority;
      readonly caller: Principal;
    }
  | Change
  | ExchangeCommand
  | ProposalCommand
  | { readonly type: 'allow_counterparty' | 'remove_counterparty'; readonly request: CounterpartyRequest }
  | { readonly type: 'resolve_gridlock'; readonly request: OffsetRequest }
  | { readonly type: 'set_liquidity_alerts'; readonly request: LiquidityAlertsRequest }
  | { readonly type: 'observe_liquidity'; readonly institutionId: string; readonly unit: Unit }
  | { readonly type: 'expire_credit_line' | 'collect'; readonly institutionId: string }
  | { readonly type: 'post_pledge'; readonly request: PledgeRequest }
  | { readonly type: 'freeze_institution'; readonly institutionId: string; readonly reason: string }
  | { readonly type: 'register_first_key'; readonly key: NewApiKey }
  | { readonly type: 'revoke_api_key'; readonly keyId: string; readonly reason: string }
  | {
      readonly type: 'verdict';
      readonly subject: 'settlement' | 'deposit';
      readonly id: string;
      readonly by: Screener;
      readonly assessment: Assessment;
    }
  | {
      readonly type: 'confirm_incident';
      readonly incidentId: string;
      readonly reason: string;
      readonly caller: Principal;
    }
  | { readonly type: 'open_window'; readonly windowId: string }
  | { readonly type: 'close_window'; readonly closing: WindowClosing }
  | { readonly type: 'agree_netting'; readonly request: NettingRequest; readonly windowId: string }
  | { readonly type: 'end_netting'; readonly request: NettingRequest }
  | { readonly type: 'choose_window_payout'; readonly request: PayoutRequest }
  | { readonly type: 'consolidate'; readonly request: ConsolidationRequest }
  | { readonly type: 'anchor_head'; readonly request: HeadAnchorRequest }
  | { readonly type: 'wallet_changed'; readonly wallet: WalletRecord }
  | { readonly type: 'address_issued'; readonly address: AddressRecord }
  | { readonly type: 'destination_changed'; readonly destination: DestinationRecord }
  | {
      readonly type: 'destination_refused';
      readonly lineageId: string;
      readonly settlementId: string;
      readonly rule: string;
    }
  | { readonly type: 'chain_fact'; readonly fact: ChainFact }
  | {
      readonly type: 'destinations_assigned';
      readonly lineageId: string;
      readonly version: number;
      readonly destinations: Destinations;
    }
  | { readonly type: 'bump'; readonly settlementId: string; readonly feeRate: FeeRate; readonly caller: Principal }
  | {
      readonly type: 'transaction_signed';
      readonly lineageId: string;
      readonly version: number;
      readonly signedHex: string;
    }
  | { readonly type: 'signing_refused'; readonly lineageId: string; readonly version: number; readonly rule: string }
  | { readonly type: 'release_coins' | 'confirm_release'; readonly request: ReleaseRequest }
  | { readonly type: 'coins_released'; readonly lineageId: string }
  | { readonly type: 'resolve_suspense'; readonly request: ResolutionRequest }
  | { readonly type: 'confirm_resolution'; readonly request: ResolutionConfirmation }
  | { readonly type: 'prepare_psbt'; readonly settlementId: string; readonly caller: Principal }
  | {
      readonly type: 'add_signatures';
      readonly settlementId: string;
      readonly added: AddedSignatures;
      readonly caller: Principal;
    };

/** Decides a command on the book. A refusal's reason, or `undefined` when it was accepted. */
export function apply(book: MemoryBook, command: Command): string | undefined {
  return isExchangeCommand(command) ? reasonOf(decideExchange(book, command)) : decide(book, command);
}

function decide(book: MemoryBook, command: Exclude<Command, ExchangeCommand>): string | undefined {
  switch (command.type) {
    case 'submit':
      return reasonOf(submit(book, command.submission));
    case 'reverse':
      return reasonOf(reverse(book, command.reversal));
    case 'cancel':
      return reasonOf(cancel(book, command.settlementId, command.reason, command.caller.keyId));
    case 'confirm_incident':
      return reasonOf(confirmIncident(book, command.incidentId, command.caller.keyId, command.reason));
    case 'release_coins':
      return reasonOf(proposeRelease(book, command.request));
    case 'confirm_release':
      return reasonOf(confirmRelease(book, command.request));
    case 'resolve_suspense':
      return reasonOf(proposeResolution(book, command.request));
    case 'confirm_resolution':
      return reasonOf(confirmResolution(book, command.request));
    case 'bump':
      return reasonOf(bumpSettlement(book, command.settlementId, command.feeRate));
    case 'prepare_psbt':
      return reasonOf(preparePayout(book, command.settlementId));
    case 'add_signatures':
      return reasonOf(addSignatures(book, command.settlementId, command.added));
    case 'review':
      return reasonOf(review(book, command.review));
    case 'review_deposit':
      return reasonOf(reviewDeposit(book, command.review));
    case 'open_window':
      return reasonOf(openWindow(book, command.windowId));
    case 'close_window':
      return reasonOf(closeWindow(book, command.closing));
    case 'agree_netting':
      return reasonOf(agreeNetting(book, command.request, command.windowId));
    case 'choose_window_payout':
      return reasonOf(chooseWindowPayout(book, command.request));
    case 'end_netting':
      return reasonOf(endNetting(book, command.request));
    case 'create_institution':
      return reasonOf(createInstitution(book, command.institution));
    case 'reprioritize':
      return reasonOf(reprioritize(book, command.settlementId, command.priority, command.caller.keyId));
    case 'allow_counterparty':
      return reasonOf(allowCounterparty(book, command.request));
    case 'remove_counterparty':
      return reasonOf(removeCounterparty(book, command.request));
    case 'set_credit_line':
    case 'set_credit_terms':
    case 'release_pledge':
    case 'set_limits':
    case 'set_debit_cap':
    case 'set_approval_policy':
    case 'restrict_counterparties':
    case 'issue_api_key':
    case 'unfreeze_institution':
    case 'declare_default':
      return reasonOf(carryOut(book, command));
    case 'propose_change':
    case 'confirm_proposal':
    case 'reject_proposal':
      return reasonOf(decideProposal(book, command));
    case 'set_liquidity_alerts':
      return reasonOf(setLiquidityAlerts(book, command.request));
    case 'post_pledge':
      return reasonOf(postPledge(book, command.request));
    case 'freeze_institution':
      return reasonOf(freezeInstitution(book, command.institutionId, command.reason));
    case 'register_first_key':
      return reasonOf(registerFirstKey(book, command.key));
    case 'revoke_api_key':
      return reasonOf(revokeApiKey(book, command.keyId, command.reason));
    default:
      return void happened(book, command);
  }
}

type Asked =
  | 'submit'
  | 'reverse'
  | 'cancel'
  | 'bump'
  | 'prepare_psbt'
  | 'add_signatures'
  | 'confirm_incident'
  | 'release_coins'
  | 'confirm_release'
  | 'resolve_suspense'
  | 'confirm_resolution'
  | 'review'
  | 'review_deposit'
  | 'open_window'
  | 'close_window'
  | 'agree_netting'
  | 'end_netting'
  | 'choose_window_payout'
  | 'create_institution'
  | 'allow_counterparty'
  | 'remove_counterparty'
  | Change['type']
  | ExchangeCommand['type']
  | ProposalCommand['type']
  | 'set_liquidity_alerts'
  | 'reprioritize'
  | 'post_pledge'
  | 'freeze_institution'
  | 'register_first_key'
  | 'revoke_api_key';

function happened(book: MemoryBook, command: Exclude<Command, { type: Asked }>): void {
  switch (command.type) {
    case 'fall_due':
      return fallDue(book, command.settlementId);
    case 'expire':
      return expire(book, command.settlementId);
    case 'resolve_gridlock':
      return offset(book, command.request);
    case 'observe_liquidity':
      return observeLiquidity(book, command.institutionId, command.unit);
    case 'collect':
      return collect(book, command.institutionId);
    case 'expire_credit_line':
      return expireCreditLine(book, command.institutionId);
    case 'retry_reservation':
      return reserve(book, command.settlementId);
    case 'consolidate':
      return consolidate(book, command.request);
    case 'anchor_head':
      return anchorHead(book, command.request);
    case 'verdict':
      if (command.subject === 'settlement') return settlementAssessed(book, command.id, command.by, command.assessment);
      return depositAssessed(book, command.id, command.by, command.assessment);
    case 'wallet_changed':
      book.putWallet(command.wallet);
      return attributeDeposits(book, book.depositsOn(command.wallet.walletId));
    case 'address_issued':
      book.putAddress(command.address);
      return attributeDeposits(book, book.depositsTo(command.address.script));
    case 'destination_changed':
      return book.putDestination(command.destination);
    case 'destination_refused':
      return destinationRefused(book, command.lineageId, command.settlementId, command.rule);
    case 'chain_fact':
      return applyChainFact(book, command.fact);
    case 'destinations_assigned':
      return offer(book, command.lineageId, command.version, command.destinations);
    case 'transaction_signed':
      return signed(book, command.lineageId, command.version, command.signedHex);
    case 'coins_released':
      return coinsReleased(book, command.lineageId);
    case 'signing_refused':
      return signingRefused(book, command.lineageId, command.version, command.rule);
    default:
      return assertNever(command, 'command');
  }
}

const reasonOf = (result: { ok: true } | { ok: false; error: { reason: string } }): string | undefined =>
  result.ok ? undefined : result.error.reason;
