import type { ScriptHex, Txid } from '@finality/bitcoin';
import type { Batch, StreamType } from '@finality/event-store';
import type { Instant } from '@finality/kernel';
import type { LedgerView, Seals, SealsEvent, SignedHead, Unit } from '@finality/ledger';
import type { LoadedLedger } from '@finality/ledger-store';
import {
  type AddressRecord,
  type Book,
  type CappedPositions,
  type Coin,
  CoinBook,
  type DestinationRecord,
  type FoundLine,
  isOpen,
  isWaitingPayout,
  LiquidityQueues,
  type Maturity,
  type PlacedSettlement,
  PositionBook,
  type TimerKind,
  type Records,
  noteNetPayout,
  returnUse,
  type Settlement,
  type SettlementPolicy,
  waitsForCoins,
  type WalletRecord,
} from '@finality/settlement';
import { creditStream, defaultStream } from './credit-streams.ts';
import type { CreditNeeds } from './credit-needs.ts';
import { bankBookingStream, quoteStream, rateStream, unitDebtStream } from './exchange-streams.ts';
import { proposalStream } from './proposal-stream.ts';
import {
  apiKeyStream,
  CHAIN_TIP_ID,
  chainTipStream,
  depositStream,
  institutionStream,
  LEDGER_ID,
  limitsStream,
  lineageStream,
  paymentRulesStream,
  NETTING_ID,
  nettingStream,
  RECOVERY_ID,
  recoveryStream,
  sealsStream,
  settlementStream,
  windowPayoutStream,
  windowStream,
} from './streams.ts';

/** What was read for a batch besides stream states. */
export interface Loaded {
  readonly ledger: LoadedLedger;
  readonly coins: readonly Coin[];
  readonly wallets: readonly WalletRecord[];
  readonly addresses: readonly AddressRecord[];
  readonly destinations: readonly DestinationRecord[];
  /** By wallet. */
  readonly listings: ReadonlyMap<string, DestinationRecord>;
  /** txid → lineage. */
  readonly versions: ReadonlyMap<string, string>;
  /** Deposits by the transaction they are outputs of. */
  readonly depositOutpoints: readonly DepositPlace[];
  readonly maturities: readonly Maturity[];
  /** Lineages that were planned: for a wallet that may reserve, or all of them at the end of an import. */
  readonly open: readonly string[];
  /** Payouts that waited for coins of a wallet whose transactions may be replaced, first come first. */
  readonly waitingPayouts: readonly string[];
  /** Defaults that are being closed out. */
  readonly credit: Pick<CreditNeeds, 'unwindable' | 'contributors'>;
  /** Positions of the windows that the batch may close. */
  readonly positions: PositionBook;
  readonly capped: CappedPositions;
  /** Those of which something may be settled in this batch. */
  readonly lines: readonly FoundLine[];
  /** How many payouts are queued for coins, by institution, of those whose coins may be consolidated. */
  readonly waiting: ReadonlyMap<string, number>;
}

export interface DepositPlace {
  readonly outpoint: string;
  readonly txid: string;
  readonly script: string;
  readonly walletId: string;
}

/** The domain's book over a batch of the event store: streams in the batch, the rest here, with what changed kept for saving. */
export class BatchBook implements Book {
  readonly now: Instant;
  readonly policy: SettlementPolicy;
  readonly ledger: LedgerView;
  readonly coins: CoinBook;
  readonly queues: LiquidityQueues;
  readonly settlements: Book['settlements'];
  readonly lineages: Book['lineages'];
  readonly deposits: Book['deposits'];
  readonly institutions: Book['institutions'];
  readonly credits: Book['credits'];
  readonly defaults: Book['defaults'];
  readonly apiKeys: Book['apiKeys'];
  readonly bankBookings: Book['bankBookings'];
  readonly rates: Book['rates'];
  readonly unitDebts: Book['unitDebts'];
  readonly proposals: Book['proposals'];
  readonly quotes: Book['quotes'];
  readonly windows: Book['windows'];
  readonly windowPayouts: Book['windowPayouts'];
  readonly netting: Book['netting'];
  readonly positions: PositionBook;
  readonly capped: CappedPositions;
  readonly limits: Book['limits'];
  readonly paymentRules: Book['paymentRules'];
  readonly tip: Book['tip'];
  readonly recovery: Book['recovery'];
  readonly newWallets = new Map<string, WalletRecord>();
  readonly newAddresses = new Map<string, AddressRecord>();
  readonly changedDestinations = new Map<string, DestinationRecord>();
  readonly newVersions = new Map<string, string>();
  readonly newTransactions = new Map<Txid, string>();
  readonly newSegments: SignedHead[] = [];
  readonly seals: { get(): Seals; record(...events: readonly SealsEvent[]): Seals };
  readonly addedMaturities = new Map<string, Maturity>();
  readonly takenMaturities = new Map<string, Maturity>();
  readonly #batch: Batch;
  readonly #loaded: Loaded;
  readonly #depositTxids = new Map<string, Set<string>>();
  /** By outpoint, of those that this batch has to do with. */
  readonly #newDeposits = new Map<string, Pick<DepositPlace, 'script' | 'walletId'>>();
  readonly #planned: Set<string>;
  readonly #waitingPayouts: Set<string>;
  readonly #waiting: Map<string, number>;

  constructor(batch: Batch, policy: SettlementPolicy, loaded: Loaded) {
    this.#batch = batch;
    this.#loaded = loaded;
    this.now = batch.now;
    this.policy = policy;
    this.ledger = loaded.ledger.view;
    this.coins = new CoinBook(loaded.coins);
    this.#waiting = new Map(loaded.waiting);
    this.queues = new LiquidityQueues(loaded.lines);
    this.limits = recordsOf(batch, limitsStream);
    this.paymentRules = recordsOf(batch, paymentRulesStream);
    const settlements = recordsOf(batch, settlementStream);
    this.settlements = {
      get: settlements.get,
      record: (id, ...events) => {
        const before = settlements.get(id);
        const state = settlements.record(id, ...events);
        returnUse(this.limits, state, events);
        noteNetPayout(this.windows, before, state);
        this.#countWaiting(before, -1);
        this.#countWaiting(state, 1);
        this.queues.changed(state);
        if (state.status === 'queued') this.#waitLast(id);
        return state;
      },
    };
    this.#waitingPayouts = new Set(loaded.waitingPayouts);
    this.#planned = new Set(loaded.open);
    const lineages = recordsOf(batch, lineageStream);
    this.lineages = {
      get: lineages.get,
      record: (id, ...events) => {
        const state = lineages.record(id, ...events);
        if (state.status === 'planned') this.#planned.add(id);
        return state;
      },
    };
    this.institutions = recordsOf(batch, institutionStream);
    this.credits = recordsOf(batch, creditStream);
    this.defaults = recordsOf(batch, defaultStream);
    this.apiKeys = recordsOf(batch, apiKeyStream);
    this.bankBookings = recordsOf(batch, bankBookingStream);
    this.rates = recordsOf(batch, rateStream);
    this.unitDebts = recordsOf(batch, unitDebtStream);
    this.proposals = recordsOf(batch, proposalStream);
    this.quotes = recordsOf(batch, quoteStream);
    for (const { outpoint, txid } of loaded.depositOutpoints) this.#depositOf(txid).add(outpoint);
    const deposits = recordsOf(batch, depositStream);
    this.deposits = {
      get: deposits.get,
      record: (id, ...events) => {
        const state = deposits.record(id, ...events);
        if (state.status !== 'none') {
          this.#depositOf(state.terms.txid).add(id);
          this.#newDeposits.set(id, state.terms);
        }
        return state;
      },
    };
    this.windows = recordsOf(batch, windowStream);
    this.windowPayouts = recordsOf(batch, windowPayoutStream);
    this.netting = only(batch, nettingStream, NETTING_ID);
    this.positions = loaded.positions;
    this.capped = loaded.capped;
    this.seals = only(batch, sealsStream, LEDGER_ID);
    this.tip = only(batch, chainTipStream, CHAIN_TIP_ID);
    this.recovery = only(batch, recoveryStream, RECOVERY_ID);
  }

  /** What waits for something else by now waits behind the others. */
  #waitLast(settlementId: string): void {
    this.#waitingPayouts.delete(settlementId);
    this.#waitingPayouts.add(settlementId);
  }

  wallet(walletId: string): WalletRecord | undefined {
    return this.newWallets.get(walletId) ?? this.#loaded.wallets.find((wallet) => wallet.walletId === walletId);
  }

  walletsOf(institutionId: string): readonly WalletRecord[] {
    const wallets = new Map(
      [...this.#loaded.wallets, ...this.newWallets.values()].map((each) => [each.walletId, each]),
    );
    return [...wallets.values()].filter((wallet) => wallet.institutionId === institutionId);
  }

  keepTransaction(txid: Txid, raw: string): void {
    this.newTransactions.set(txid, raw);
  }

  putWallet(wallet: WalletRecord): void {
    this.newWallets.set(wallet.walletId, wallet);
  }

  address(script: ScriptHex): AddressRecord | undefined {
    return this.newAddresses.get(script) ?? this.#loaded.addresses.find((address) => address.script === script);
  }

  putAddress(address: AddressRecord): void {
    if (this.address(address.script) === undefined) this.newAddresses.set(address.script, address);
  }

  destination(destinationId: string): DestinationRecord | undefined {
    return (
      this.changedDestinations.get(destinationId) ??
      this.#loaded.destinations.find((destination) => destination.destinationId === destinationId)
    );
  }

  putDestination(destination: DestinationRecord): void {
    this.changedDestinations.set(destination.destinationId, destination);
  }

  listingOf(walletId: string): DestinationRecord | undefined {
    const loaded = this.#loaded.listings.get(walletId);
    const changed = [...this.changedDestinations.values()];
    const known = loaded === undefined || this.changedDestinations.has(loaded.destinationId) ? [] : [loaded];
    return [...known, ...changed]
      .filter(({ place, status }) => place.kind === 'wallet' && place.walletId === walletId && status === 'listed')
      .sort((a, b) => b.usableAt - a.usableAt)[0];
  }

  /** What the ledger's part of the batch is saved from. */
  get loadedLedger(): LoadedLedger {
    return this.#loaded.ledger;
  }

  lineageOf(txid: string): string | undefined {
    return this.newVersions.get(txid) ?? this.#loaded.versions.get(txid);
  }

  openLineagesOf(walletId: string): readonly string[] {
    return [...this.#planned].sort().filter((id) => isOpen(this, walletId, this.lineages.get(id)));
  }

  waitsForCoins(walletId: string): boolean {
    const wallet = this.wallet(walletId);
    return wallet !== undefined && (this.#waiting.get(wallet.institutionId) ?? 0) > 0;
  }

  #countWaiting(state: Settlement, change: 1 | -1): void {
    if (!waitsForCoins(state)) return;
    const { from } = state.terms;
    this.#waiting.set(from, (this.#waiting.get(from) ?? 0) + change);
  }

  plannedLineages(): readonly string[] {
    return [...this.#planned].sort();
  }

  waitingPayouts(walletId: string): readonly string[] {
    return [...this.#waitingPayouts].filter((id) => isWaitingPayout(this.settlements.get(id), walletId));
  }

  depositsOf(txid: string): readonly string[] {
    return [...(this.#depositTxids.get(txid) ?? [])].sort();
  }

  /** Deposits that came before the notice of their address, in this batch or long ago. */
  depositsTo(script: string): readonly string[] {
    return this.#depositsWhere((deposit) => deposit.script === script);
  }

  /** Deposits that came before the notice of their wallet. */
  depositsOn(walletId: string): readonly string[] {
    return this.#depositsWhere((deposit) => deposit.walletId === walletId);
  }

  #depositsWhere(is: (deposit: Pick<DepositPlace, 'script' | 'walletId'>) => boolean): readonly string[] {
    const before = this.#loaded.depositOutpoints.map((deposit) => [deposit.outpoint, deposit] as const);
    const all = new Map([...before, ...this.#newDeposits]);
    return [...all.keys()].filter((outpoint) => is(all.get(outpoint)!)).sort();
  }

  unwindable(defaultId: string): readonly PlacedSettlement[] | undefined {
    return this.#loaded.credit.unwindable.get(defaultId);
  }

  contributors(unit: Unit): readonly string[] {
    return this.#loaded.credit.contributors.get(unit) ?? [];
  }

  declare(txid: string, lineageId: string): void {
    this.newVersions.set(txid, lineageId);
  }

  matures(maturity: Maturity): void {
    const key = keyOf(maturity);
    this.takenMaturities.delete(key);
    this.addedMaturities.set(key, maturity);
  }

  takeDue(height: number): readonly Maturity[] {
    const all = new Map([...this.#loaded.maturities.map((m) => [keyOf(m), m] as const), ...this.addedMaturities]);
    const due = [...all.entries()].filter(
      ([key, maturity]) => maturity.dueHeight <= height && !this.takenMaturities.has(key),
    );
    for (const [key, maturity] of due) {
      this.addedMaturities.delete(key);
      this.takenMaturities.set(key, maturity);
    }
    return due.map(([, maturity]) => maturity).sort(byHeightKindId);
  }

  schedule(id: string, dueAt: Instant, kind: TimerKind): void {
    this.#batch.schedule({ ...timerOf(id, kind), dueAt });
  }

  cancelTimer(id: string, kind: TimerKind = 'expiry'): void {
    this.#batch.cancel(timerOf(id, kind));
  }

  #depositOf(txid: string): Set<string> {
    const found = this.#depositTxids.get(txid) ?? new Set<string>();
    this.#depositTxids.set(txid, found);
    return found;
  }
}

const timerOf = (id: string, kind: TimerKind): { stream: string; kind: string; id: string } => ({
  stream: `${(kind === 'credit_line' || kind === 'collection' ? institutionStream : settlementStream).aggregate.name}/${id}`,
  kind,
  id,
});

function recordsOf<State, Event extends { readonly type: string }>(
  batch: Batch,
  type: StreamType<State, Event>,
): Records<State, Event> {
  return { get: (id) => batch.state(type, id), record: (id, ...events) => batch.append(type, id, ...events) };
}

/** Of an aggregate of which there is one. */
const only = <State, Event extends { readonly type: string }>(
  batch: Batch,
  type: StreamType<State, Event>,
  id: string,
): { get(): State; record(...events: readonly Event[]): State } => ({
  get: () => batch.state(type, id),
  record: (...events) => batch.append(type, id, ...events),
});

const keyOf = (maturity: Maturity): string => `${maturity.kind} ${maturity.id} ${maturity.dueHeight}`;

/** A fixed order, whatever order they were stored in. Deposits come before what their coins may pay for. */
function byHeightKindId(a: Maturity, b: Maturity): number {
  return (
    a.dueHeight - b.dueHeight || (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
  );
}
