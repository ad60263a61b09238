import type { ScriptHex, Txid } from '@finality/bitcoin';
import type { Instant } from '@finality/kernel';
import type { LedgerView, Unit } from '@finality/ledger';
import type { BankBooking, BankBookingEvent } from './bank-booking.ts';
import type { ChainTip, ChainTipEvent } from './chain-tip.ts';
import type { Credit, CreditEvent } from './credit.ts';
import type { AddressRecord, CoinBook, WalletRecord } from './coin.ts';
import type { DestinationRecord } from './destination.ts';
import type { CappedPositions } from './debit-cap.ts';
import type { Default, DefaultEvent } from './default.ts';
import type { Deposit, DepositEvent } from './deposit.ts';
import type { ApiKey, ApiKeyEvent, Institution, InstitutionEvent } from './institution.ts';
import type { LimitsEvent, LimitsState } from './limits.ts';
import type { Lineage, LineageEvent } from './lineage.ts';
import type { PaymentRulesEvent, PaymentRulesState } from './payment-rules.ts';
import type { SettlementPolicy } from './policy.ts';
import type { Quote, QuoteEvent } from './quote.ts';
import type { RateEvent, RateState } from './rate.ts';
import type { PositionBook } from './positions.ts';
import type { Proposal, ProposalEvent } from './proposal.ts';
import type { LiquidityQueues } from './queue.ts';
import type { Recovery, RecoveryEvent } from './recovery.ts';
import type { Settlement, SettlementEvent } from './settlement.ts';
import type { Netting, NettingEvent, NettingWindow, WindowEvent } from './window.ts';
import type { UnitDebt, UnitDebtEvent } from './unit-debt.ts';
import type { WindowPayout, WindowPayoutEvent } from './window-payout.ts';

/** What a timer is for, of a settlement: `due`, it is to begin; `expiry`, it is too late. Of an institution: `credit_line`, its line ends; `collection`, what it owes is due, or
 * its default goes on. */
export type TimerKind = 'due' | 'expiry' | 'credit_line' | 'collection';

/** A settlement, and where in the log it began. */
export interface PlacedSettlement {
  readonly settlementId: string;
  readonly place: bigint;
}

/** One kind of aggregate within a batch: what is recorded is seen at once. */
export interface Records<State, Event> {
  get(id: string): State;
  record(id: string, ...events: readonly Event[]): State;
}

/** Why an object must be looked at once the tip reaches a height. A hint: what is decided then depends on the state it finds. */
export interface Maturity {
  readonly dueHeight: number;
  /** `bump`: a lineage whose last version may have waited for too long. */
  readonly kind: 'deposit' | 'settlement' | 'lineage' | 'bump';
  readonly id: string;
}

/**
 * Everything the settlement service decides on, as it is within one batch: streams, ledger, coins. The processes read and change it; the
 * app loads it before and writes what changed after, in one transaction (DESIGN 4).
 */
export interface Book {
  readonly now: Instant;
  readonly policy: SettlementPolicy;
  readonly ledger: LedgerView;
  readonly coins: CoinBook;
  /** Lines of payers of whom something may be settled in this batch. */
  readonly queues: LiquidityQueues;
  readonly settlements: Records<Settlement, SettlementEvent>;
  readonly lineages: Records<Lineage, LineageEvent>;
  readonly deposits: Records<Deposit, DepositEvent>;
  readonly institutions: Records<Institution, InstitutionEvent>;
  /** By institution. */
  readonly credits: Records<Credit, CreditEvent>;
  readonly defaults: Records<Default, DefaultEvent>;
  readonly apiKeys: Records<ApiKey, ApiKeyEvent>;
  readonly bankBookings: Records<BankBooking, BankBookingEvent>;
  readonly rates: Records<RateState, RateEvent>;
  /** By unit. */
  readonly unitDebts: Records<UnitDebt, UnitDebtEvent>;
  readonly proposals: Records<Proposal, ProposalEvent>;
  readonly quotes: Records<Quote, QuoteEvent>;
  readonly windows: Records<NettingWindow, WindowEvent>;
  /** By institution. */
  readonly windowPayouts: Records<WindowPayout, WindowPayoutEvent>;
  readonly netting: { get(): Netting; record(...events: readonly NettingEvent[]): Netting };
  readonly positions: PositionBook;
  /** Of payers of whom something may be settled in this batch, and who have a cap. */
  readonly capped: CappedPositions;
  /** By institution. */
  readonly limits: Records<LimitsState, LimitsEvent>;
  /** By institution. */
  readonly paymentRules: Records<PaymentRulesState, PaymentRulesEvent>;
  readonly recovery: { get(): Recovery; record(...events: readonly RecoveryEvent[]): Recovery };
  readonly tip: { get(): ChainTip; record(...events: readonly ChainTipEvent[]): ChainTip };
  wallet(walletId: string): WalletRecord | undefined;
  /** The institution's wallets, in the order in which they were registered. */
  walletsOf(institutionId: string): readonly WalletRecord[];
  putWallet(wallet: WalletRecord): void;
  address(script: ScriptHex): AddressRecord | undefined;
  putAddress(address: AddressRecord): void;
  destination(destinationId: string): DestinationRecord | undefined;
  putDestination(destination: DestinationRecord): void;
  /** What a wallet of {@link walletsOf} is on the list as, if it is; the youngest where it was put there again. */
  listingOf(walletId: string): DestinationRecord | undefined;
  /** The lineage that has offered a version with this id. */
  lineageOf(txid: string): string | undefined;
  /** All lineages that are planned; loaded for the end of an import only. */
  plannedLineages(): readonly string[];
  /** Lineages of the wallet that are planned and that other payouts may still join. */
  openLineagesOf(walletId: string): readonly string[];
  /** Whether a payout of the wallet is queued that fewer, larger coins wouldn't help. */
  waitsForCoins(walletId: string): boolean;
  /** BILATERAL settlements that wait for coins of the wallet, first come first. */
  waitingPayouts(walletId: string): readonly string[];
  /** Deposits that a foreign transaction is known to exclude, or that are outputs of `txid`. */
  depositsOf(txid: string): readonly string[];
  /** CENTRALIZED settlements that the institution in default has paid since the window opened, in its unit, newest first; loaded while it is closed out, so many at a time. Undefined: not loaded, for it was declared a moment ago. */
  unwindable(defaultId: string): readonly PlacedSettlement[] | undefined;
  /** Institutions that may have contributed to the default fund in the unit; loaded as above. */
  contributors(unit: Unit): readonly string[];
  declare(txid: string, lineageId: string): void;
  /** Keeps a transaction, hex, for whoever signs what spends it. */
  keepTransaction(txid: Txid, raw: string): void;
  matures(maturity: Maturity): void;
  /** What is due at this height; each is given once. */
  takeDue(height: number): readonly Maturity[];
  /** A timer of a settlement or an institution, one of each kind. */
  schedule(id: string, dueAt: Instant, kind: TimerKind): void;
  /** @param kind default: expiry */
  cancelTimer(id: string, kind?: TimerKind): void;
}
