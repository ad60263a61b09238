import type { FeeRate } from '@finality/bitcoin';
import type { Instant, Principal } from '@finality/kernel';
import type { LedgerHead, SignedHead, Unit } from '@finality/ledger';
import type {
  AddedSignatures,
  AddressRecord,
  ApiKey,
  Assessment,
  ChainFact,
  Change,
  ConsolidationRequest,
  CounterpartyRequest,
  DepositReview,
  DestinationRecord,
  Destinations,
  ImportedJournal,
  ExchangeCommand,
  Institution,
  KnownDeposit,
  HeadAnchorRequest,
  LiquidityAlertsRequest,
  LivingSettlement,
  NewApiKey,
  NewInstitution,
  OffsetRequest,
  PledgeRequest,
  Priority,
  ProposalCommand,
  RecoveryReport,
  ReleaseRequest,
  ResolutionConfirmation,
  ResolutionRequest,
  Reversal,
  Review,
  Screener,
  SignedTransaction,
  Submission,
  Terms,
  WalletRecord,
} from '@finality/settlement';
import type { WindowCommand } from './window-commands.ts';

/** Everything that the settlement service decides, whoever asks. */
export type SettlementCommand =
  | ExchangeCommand
  | WindowCommand
  | Change
  | ProposalCommand
  | { readonly type: 'submit'; readonly submission: Submission }
  | { readonly type: 'reverse'; readonly reversal: Reversal }
  | { readonly type: 'cancel'; readonly settlementId: string; readonly reason: string; readonly caller: Principal }
  | {
      readonly type: 'reprioritize';
      readonly settlementId: string;
      readonly priority: Priority;
      readonly caller: Principal;
    }
  | { readonly type: 'review'; readonly review: Review }
  | { readonly type: 'review_deposit'; readonly review: DepositReview }
  /** A scheduled settlement is to begin. */
  | { readonly type: 'fall_due'; readonly settlementId: string }
  | { readonly type: 'expire'; readonly settlementId: string }
  | { readonly type: 'retry_reservation'; readonly settlementId: string }
  | { readonly type: 'resolve_gridlock'; readonly request: OffsetRequest }
  | { readonly type: 'consolidate'; readonly request: ConsolidationRequest }
  | { readonly type: 'anchor_head'; readonly request: HeadAnchorRequest }
  | { readonly type: 'create_institution'; readonly institution: NewInstitution }
  | { readonly type: 'freeze_institution'; readonly institutionId: string; readonly reason: string }
  | { readonly type: 'allow_counterparty' | 'remove_counterparty'; readonly request: CounterpartyRequest }
  | { readonly type: 'set_liquidity_alerts'; readonly request: LiquidityAlertsRequest }
  | { readonly type: 'observe_liquidity'; readonly institutionId: string; readonly unit: Unit }
  | { readonly type: 'post_pledge'; readonly request: PledgeRequest }
  | { readonly type: 'expire_credit_line' | 'collect'; readonly institutionId: string }
  | { readonly type: 'register_first_key'; readonly key: NewApiKey }
  | { readonly type: 'revoke_api_key'; readonly keyId: string; readonly reason: string }
  | {
      readonly type: 'verdict';
      readonly subject: 'settlement' | 'deposit';
      readonly id: string;
      readonly by: Screener;
      readonly assessment: Assessment;
    }
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
      readonly type: 'confirm_incident';
      readonly incidentId: string;
      readonly reason: string;
      readonly caller: Principal;
    }
  | { readonly type: 'bump'; readonly settlementId: string; readonly feeRate: FeeRate; readonly caller: Principal }
  | {
      readonly type: 'destinations_assigned';
      readonly lineageId: string;
      readonly version: number;
      readonly destinations: Destinations;
    }
  | {
      readonly type: 'transaction_signed';
      readonly lineageId: string;
      readonly version: number;
      readonly signedHex: string;
    }
  | { readonly type: 'release_coins' | 'confirm_release'; readonly request: ReleaseRequest }
  | { readonly type: 'coins_released'; readonly lineageId: string }
  | { readonly type: 'resolve_suspense'; readonly request: ResolutionRequest }
  | { readonly type: 'confirm_resolution'; readonly request: ResolutionConfirmation }
  | { readonly type: 'begin_recovery'; readonly epoch: number; readonly reason: string }
  | { readonly type: 'journal_checked'; readonly position: bigint }
  | { readonly type: 'adopt_settlement'; readonly terms: Terms; readonly receivedAt: Instant }
  | { readonly type: 'import_transaction'; readonly signed: SignedTransaction }
  | { readonly type: 'journal_imported'; readonly journal: ImportedJournal }
  | { readonly type: 'reconciled'; readonly report: RecoveryReport; readonly ledgerPosition: bigint }
  | { readonly type: 'finish_recovery'; readonly reason: string; readonly caller: Principal }
  /** A segment of the ledger ends here; its head is on record before it is signed. */
  | { readonly type: 'segment_sealed'; readonly head: LedgerHead }
  | { readonly type: 'head_signed'; readonly head: SignedHead }
  | { readonly type: 'signing_refused'; readonly lineageId: string; readonly version: number; readonly rule: string }
  | { readonly type: 'prepare_psbt'; readonly settlementId: string; readonly caller: Principal }
  | {
      readonly type: 'add_signatures';
      readonly settlementId: string;
      readonly added: AddedSignatures;
      readonly caller: Principal;
    };

/** What a restored store is brought up to date by. */
export type RecoveryCommand =
  | 'begin_recovery'
  | 'journal_checked'
  | 'adopt_settlement'
  | 'import_transaction'
  | 'journal_imported'
  | 'reconciled'
  | 'finish_recovery';

export type CommandOf<Type extends SettlementCommand['type']> = Extract<SettlementCommand, { type: Type }>;

/** What a caller gets to see of what was decided. */
export type SettlementReply =
  | { readonly type: 'settlement'; readonly settlement: LivingSettlement }
  | { readonly type: 'institution'; readonly institution: Exclude<Institution, { status: 'none' }> }
  | { readonly type: 'api_key'; readonly apiKey: Exclude<ApiKey, { status: 'none' }> }
  | { readonly type: 'deposit'; readonly deposit: KnownDeposit }
  | { readonly type: 'done' };
