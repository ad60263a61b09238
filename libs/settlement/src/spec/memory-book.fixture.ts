import { feeRate, type ScriptHex, type Txid } from '@finality/bitcoin';
import { type Aggregate, type Instant, sats } from '@finality/kernel';
import { LedgerView, type Unit } from '@finality/ledger';
import { bankBookingAggregate } from '../bank-booking.ts';
import type { Book, Maturity, PlacedSettlement, Records, TimerKind } from '../book.ts';
import { chainTipAggregate, type ChainTip, type ChainTipEvent } from '../chain-tip.ts';
import { type AddressRecord, CoinBook, type WalletRecord } from '../coin.ts';
import { CappedPositions } from '../debit-cap.ts';
import type { DestinationRecord } from '../destination.ts';
import { creditAggregate } from '../credit.ts';
import { defaultAggregate } from '../default.ts';
import { depositAggregate } from '../deposit.ts';
import { apiKeyAggregate, institutionAggregate } from '../institution.ts';
import { limitsAggregate } from '../limits.ts';
import { lineageAggregate } from '../lineage.ts';
import type { NewApiKey } from '../process/api-keys.ts';
import { returnUse } from '../process/limits.ts';
import { isOpen, isWaitingPayout } from '../process/reserve.ts';
import { paymentRulesAggregate } from '../payment-rules.ts';
import type { SettlementPolicy } from '../policy.ts';
import { quoteAggregate } from '../quote.ts';
import { rateAggregate } from '../rate.ts';
import { PositionBook } from '../positions.ts';
import { proposalAggregate } from '../proposal.ts';
import { LiquidityQueues } from '../queue.ts';
import { recoveryAggregate } from '../recovery.ts';
import { type Netting, nettingAggregate, type NettingEvent, windowAggregate } from '../window.ts';
import { unitDebtAggregate } from '../unit-debt.ts';
import { windowPayoutAggregate } from '../window-payout.ts';
import { noteNetPayout } from '../process/net-payouts.ts';
import { contributorsIn, unwindableIn } from './unwinding.fixture.ts';
import { type Settlement, settlementAggregate, type SettlementEvent, waitsForCoins } from '../settlement.ts';

export const POLICY: SettlementPolicy = {
  version: 'test',
  confirmations: { base: { deposit: 3, bilateral: 3, blockchain: 6 }, amounts: [], reviewed: 0, foreignInputs: 0 },
  finalDepth: 6,
  deepReorgBlocks: 10,
  reopenedBlocksMax: 6,
  fees: { fixed: feeRate(2_000n) },
  feeCapSats: sats(5_000n),
  bumpBearer: 'payer',
  batch: { waitMs: 0, payoutsMax: 3, valueMaxSats: sats(60_000n) },
  // Most histories are about something else.
  bump: { afterBlocks: 1_000, incrementalFeeRate: feeRate(1_000n) },
  counterpartyCoolingMs: 60_000,
  expiryMs: 3_600_000,
};

/** Payouts share transactions, and what isn't in a block soon is replaced. */
export const PAYING: SettlementPolicy = {
  ...POLICY,
  batch: { ...POLICY.batch, waitMs: 1_000 },
  bump: { ...POLICY.bump, afterBlocks: 3 },
  consolidation: {
    feeRateMax: feeRate(2_000n),
    coinsMin: 2,
    coinsMax: 3,
    coinsKept: 1,
    valueKeptPermille: 300,
    feeCapSats: sats(1_000n),
  },
};

/** An event as it was recorded, with its stream. */
export interface Logged {
  readonly stream: string;
  readonly event: { readonly type: string };
}

export interface Alarm {
  readonly id: string;
  readonly kind: TimerKind;
  readonly dueAt: Instant;
}

/** The whole settlement service's state in memory, over the same pure parts that the app stores. */
export class MemoryBook implements Book {
  now = 1_770_000_000_000 as Instant;
  readonly policy: SettlementPolicy;
  readonly ledger: LedgerView;
  readonly coins = new CoinBook([]);
  readonly log: Logged[] = [];
  readonly queues = new LiquidityQueues();
  readonly transactions = new Map<Txid, string>();
  readonly limits = new MemoryRecords(limitsAggregate, this.log);
  readonly paymentRules = new MemoryRecords(paymentRulesAggregate, this.log);
  readonly windows = new MemoryRecords(windowAggregate, this.log);
  readonly settlements = new SettlementRecords(this.log, this);
  readonly lineages = new MemoryRecords(lineageAggregate, this.log);
  readonly institutions = new MemoryRecords(institutionAggregate, this.log);
  readonly credits = new MemoryRecords(creditAggregate, this.log);
  readonly defaults = new MemoryRecords(defaultAggregate, this.log);
  readonly apiKeys = new MemoryRecords(apiKeyAggregate, this.log);
  readonly deposits = new MemoryRecords(depositAggregate, this.log);
  readonly windowPayouts = new MemoryRecords(windowPayoutAggregate, this.log);
  readonly bankBookings = new MemoryRecords(bankBookingAggregate, this.log);
  readonly rates = new MemoryRecords(rateAggregate, this.log);
  readonly unitDebts = new MemoryRecords(unitDebtAggregate, this.log);
  readonly proposals = new MemoryRecords(proposalAggregate, this.log);
  readonly quotes = new MemoryRecords(quoteAggregate, this.log);
  readonly netting: Book['netting'];
  readonly positions = new PositionBook();
  readonly capped = new CappedPositions();
  readonly tip: Book['tip'];
  readonly recovery: Book['recovery'];
  /** By settlement, or institution; what is collected of it by itself. */
  readonly timers = new Map<string, Instant>();
  /** The same, one of each kind. */
  readonly alarms = new Map<string, Alarm>();
  readonly wallets: WalletRecord[] = [];
  readonly addresses = new Map<ScriptHex, AddressRecord>();
  readonly destinations = new Map<string, DestinationRecord>();
  readonly versions = new Map<string, string>();
  readonly #maturities = new Map<string, Maturity>();

  constructor(policy: SettlementPolicy = POLICY, ledger = LedgerView.inMemory()) {
    this.policy = policy;
    this.ledger = ledger;
    if (policy.lentMaxSats !== undefined) this.ledger.limitLending(policy.lentMaxSats, 0n);
    const tips = new MemoryRecords<ChainTip, ChainTipEvent>(chainTipAggregate, this.log);
    this.tip = { get: () => tips.get('chain'), record: (...events) => tips.record('chain', ...events) };
    const nettings = new MemoryRecords<Netting, NettingEvent>(nettingAggregate, this.log);
    this.netting = { get: () => nettings.get('windows'), record: (...events) => nettings.record('windows', ...events) };
    const recoveries = new MemoryRecords(recoveryAggregate, this.log);
    this.recovery = {
      get: () => recoveries.get('settlement'),
      record: (...events) => recoveries.record('settlement', ...events),
    };
  }

  wallet(walletId: string): WalletRecord | undefined {
    return this.wallets.find((wallet) => wallet.walletId === walletId);
  }

  walletsOf(institutionId: string): readonly WalletRecord[] {
    return this.wallets.filter((wallet) => wallet.institutionId === institutionId);
  }

  keepTransaction(txid: Txid, raw: string): void {
    this.transactions.set(txid, raw);
  }

  putWallet(wallet: WalletRecord): void {
    const at = this.wallets.findIndex(({ walletId }) => walletId === wallet.walletId);
    if (at === -1) this.wallets.push(wallet);
    else this.wallets[at] = wallet;
  }

  destination(destinationId: string): DestinationRecord | undefined {
    return this.destinations.get(destinationId);
  }

  putDestination(destination: DestinationRecord): void {
    this.destinations.set(destination.destinationId, destination);
  }

  listingOf(walletId: string): DestinationRecord | undefined {
    return [...this.destinations.values()].find(
      ({ place, status }) => status === 'listed' && place.kind === 'wallet' && place.walletId === walletId,
    );
  }

  address(script: ScriptHex): AddressRecord | undefined {
    return this.addresses.get(script);
  }

  putAddress(address: AddressRecord): void {
    if (!this.addresses.has(address.script)) this.addresses.set(address.script, address);
  }

  lineageOf(txid: string): string | undefined {
    return this.versions.get(txid);
  }

  openLineagesOf(walletId: string): readonly string[] {
    return this.lineages.ids().filter((id) => isOpen(this, walletId, this.lineages.get(id)));
  }

  waitsForCoins(walletId: string): boolean {
    return this.settlements.all().some((settlement) => {
      if (!waitsForCoins(settlement)) return false;
      return settlement.terms.payer.kind === 'wallet' && settlement.terms.payer.walletId === walletId;
    });
  }

  plannedLineages(): readonly string[] {
    return this.lineages.ids().filter((id) => this.lineages.get(id).status === 'planned');
  }

  waitingPayouts(walletId: string): readonly string[] {
    const waits = ['liquidity_awaited', 'wait_changed'];
    const queued = this.log.filter(({ event }) => waits.includes(event.type));
    const ids = queued.map(({ stream }) => stream.slice('settlement/'.length));
    // What waits for something else by now waits behind the others.
    return [...new Set(ids.toReversed())]
      .toReversed()
      .filter((id) => isWaitingPayout(this.settlements.get(id), walletId));
  }

  depositsOf(txid: string): readonly string[] {
    return this.deposits
      .ids()
      .filter((id) => id.startsWith(`${txid}:`))
      .sort();
  }

  depositsTo(script: string): readonly string[] {
    return this.deposits.ids().filter((id) => {
      const deposit = this.deposits.get(id);
      return deposit.status !== 'none' && deposit.terms.script === script;
    });
  }

  depositsOn(walletId: string): readonly string[] {
    return this.deposits.ids().filter((id) => {
      const deposit = this.deposits.get(id);
      return deposit.status !== 'none' && deposit.terms.walletId === walletId;
    });
  }

  declare(txid: string, lineageId: string): void {
    this.versions.set(txid, lineageId);
  }

  matures(maturity: Maturity): void {
    this.#maturities.set(`${maturity.kind} ${maturity.id} ${maturity.dueHeight}`, maturity);
  }

  takeDue(height: number): readonly Maturity[] {
    const due = [...this.#maturities].filter(([, maturity]) => maturity.dueHeight <= height);
    for (const [key] of due) this.#maturities.delete(key);
    return due.map(([, maturity]) => maturity).sort(byHeightKindId);
  }

  /** What is due at some height still: kind, id and height. */
  waiting(): string[] {
    return [...this.#maturities.keys()].sort();
  }

  schedule(id: string, dueAt: Instant, kind: TimerKind): void {
    this.timers.set(timerOf(id, kind), dueAt);
    this.alarms.set(`${kind} ${id}`, { id, kind, dueAt });
  }

  cancelTimer(id: string, kind: TimerKind = 'expiry'): void {
    this.timers.delete(timerOf(id, kind));
    this.alarms.delete(`${kind} ${id}`);
  }

  unwindable(defaultId: string): readonly PlacedSettlement[] {
    return unwindableIn(this, defaultId);
  }

  contributors(unit: Unit): readonly string[] {
    return contributorsIn(this, unit);
  }
}

/** An institution may have two at once. */
const timerOf = (id: string, kind?: TimerKind): string => (kind === 'collection' ? `${id} ${kind}` : id);

export class MemoryRecords<State, Event extends { readonly type: string }> implements Records<State, Event> {
  readonly #aggregate: Aggregate<State, Event>;
  readonly #log: Logged[];
  readonly #states = new Map<string, State>();

  constructor(aggregate: Aggregate<State, Event>, log: Logged[]) {
    this.#aggregate = aggregate;
    this.#log = log;
  }

  get(id: string): State {
    return this.#states.get(id) ?? this.#aggregate.initialState;
  }

  record(id: string, ...events: readonly Event[]): State {
    let state = this.get(id);
    for (const event of events) {
      state = this.#aggregate.evolve(state, event);
      this.#log.push({ stream: `${this.#aggregate.name}/${id}`, event });
    }
    this.#states.set(id, state);
    return state;
  }

  ids(): string[] {
    return [...this.#states.keys()].sort();
  }

  all(): State[] {
    return this.ids().map((id) => this.get(id));
  }
}

/** Of an operator who has been there from the start. */
export const firstKey = (keyId: string): NewApiKey => ({
  ...{ keyId, institutionId: '', roles: ['operator'], label: keyId, secretSha256: 'ab' },
});

export class SettlementRecords extends MemoryRecords<Settlement, SettlementEvent> {
  readonly #book: Pick<MemoryBook, 'limits' | 'queues' | 'windows'>;

  constructor(log: Logged[], book: Pick<MemoryBook, 'limits' | 'queues' | 'windows'>) {
    super(settlementAggregate, log);
    this.#book = book;
  }

  override record(id: string, ...events: readonly SettlementEvent[]): Settlement {
    const before = this.get(id);
    const state = super.record(id, ...events);
    returnUse(this.#book.limits, state, events);
    noteNetPayout(this.#book.windows, before, state);
    this.#book.queues.changed(state);
    return state;
  }
}

function byHeightKindId(a: Maturity, b: Maturity): number {
  return a.dueHeight - b.dueHeight || compare(a.kind, b.kind) || compare(a.id, b.id);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
