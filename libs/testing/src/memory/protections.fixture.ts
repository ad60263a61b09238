import { feeRate } from '@finality/bitcoin';
import type { Instant } from '@finality/kernel';
import { type Transfer, LedgerView, type RecordedTransfer, transferId, type TransferId } from '@finality/ledger';
import {
  type Coin,
  CoinBook,
  type Institution,
  institutionAggregate,
  type InstitutionEvent,
  type Netting,
  nettingAggregate,
  type Leg,
  type NettingEvent,
  PositionBook,
  type Quote,
  quoteAggregate,
  type QuoteEvent,
  type SettlementPolicy,
} from '@finality/settlement';
import { MemoryBook, MemoryRecords, UnlinkedLedger } from '@finality/settlement/spec';

/** What can be switched off, each from outside: the product's code has no such switches. */
export const MEMORY_PROTECTIONS = [
  'inbox',
  'acknowledge-last',
  'outbox',
  'answer-last',
  'idempotency',
  'append-lock',
  'one-writer',
  'limit-check',
  'life-in-transfer-ids',
  'declared-outputs',
  'coin-claims',
  'window-in-place',
  'confirmations',
  'freeze',
  'reorg-depth',
  'timers',
  'linked-legs',
  'quote-used-once',
  'quote-ends',
  'positions-of-all-legs',
  'replacement-fee',
  'anchor',
  'signer-journal',
  'hand-out-journal',
  'journal-before-hand-out',
] as const;
export type MemoryProtection = (typeof MEMORY_PROTECTIONS)[number];

/** The service's state, without one of the protections that lie in it. */
export function bookWithout(policy: SettlementPolicy, without: MemoryProtection | undefined): MemoryBook {
  switch (without) {
    case 'limit-check':
      return new MemoryBook(policy, new UnlimitedLedger({ accounts: [], transfers: [] }));
    case 'life-in-transfer-ids':
      return new MemoryBook(policy, new OneLifeLedger({ accounts: [], transfers: [] }));
    case 'declared-outputs':
      return new UndeclaringBook(policy);
    case 'coin-claims':
      return new UnclaimingBook(policy);
    case 'reorg-depth':
      return new MemoryBook({ ...policy, deepReorgBlocks: Number.MAX_SAFE_INTEGER });
    case 'window-in-place':
      return new LaggingBook(policy);
    case 'confirmations':
      return new MemoryBook({
        ...policy,
        confirmations: { ...policy.confirmations, base: { ...policy.confirmations.base, deposit: 0 } },
      });
    case 'linked-legs':
      return new MemoryBook(policy, new UnlinkedLedger({ accounts: [], transfers: [] }));
    case 'quote-used-once':
      return new LitBook(policy, asIfUnused);
    case 'quote-ends':
      return new LitBook(policy, asIfEndless);
    case 'positions-of-all-legs':
      return new OneLeggedBook(policy);
    case 'replacement-fee':
      return new MemoryBook({ ...policy, bump: { ...policy.bump, incrementalFeeRate: feeRate(1n) } });
    case 'freeze':
      return new UnfreezingBook(policy);
    case 'timers':
      return new TimelessBook(policy);
    default:
      return new MemoryBook(policy);
  }
}

/** No account has a limit. */
class UnlimitedLedger extends LedgerView {
  override post(transfers: readonly Transfer[]) {
    return this.impose(transfers);
  }

  override postNet(transfers: Parameters<LedgerView['postNet']>[0]) {
    return this.impose(transfers);
  }

  override spendable(): bigint {
    return 10n ** 12n;
  }
}

/** What comes back after a reorg has the transfer ids that it had before. */
class OneLifeLedger extends LedgerView {
  readonly #ids = new Map<TransferId, TransferId>();

  override post(transfers: readonly Transfer[]) {
    return super.post(transfers.map((transfer) => this.#inOneLife(transfer)));
  }

  override transfer(id: TransferId): RecordedTransfer | undefined {
    return super.transfer(this.#idOf(id));
  }

  override resolutionOf(id: TransferId): RecordedTransfer | undefined {
    return super.resolutionOf(this.#idOf(id));
  }

  #inOneLife(transfer: Transfer): Transfer {
    const { purpose, object } = transfer;
    const id = transferId({ purpose, object, life: 1 });
    this.#ids.set(transfer.id, id);
    const own = { ...transfer, id, life: 1 };
    if ('pendingId' in own) return { ...own, pendingId: this.#idOf(own.pendingId) };
    return 'corrects' in own ? { ...own, corrects: this.#idOf(own.corrects) } : own;
  }

  readonly #idOf = (id: TransferId): TransferId => this.#ids.get(id) ?? id;
}

/** Nobody knows a transaction of ours by what was declared of it. */
class UndeclaringBook extends MemoryBook {
  override lineageOf(): undefined {
    return undefined;
  }
}

/** A coin is anybody's again as soon as somebody has claimed it. */
class UnclaimedCoins extends CoinBook {
  override put({ claimedBy: _forgotten, ...coin }: Coin): void {
    super.put(coin);
  }
}

class UnclaimingBook extends MemoryBook {
  override readonly coins = new UnclaimedCoins([]);
}

/** What deciders are shown of quotes; whoever looks at what they have done sees them as they are. */
class LitQuotes extends MemoryRecords<Quote, QuoteEvent> {
  isDeciding = false;
  readonly #show: (quote: Quote) => Quote;

  constructor(log: MemoryBook['log'], show: (quote: Quote) => Quote) {
    super(quoteAggregate, log);
    this.#show = show;
  }

  override get(id: string): Quote {
    const quote = super.get(id);
    return this.isDeciding ? this.#show(quote) : quote;
  }

  override record(id: string, ...events: readonly QuoteEvent[]): Quote {
    const { isDeciding } = this;
    this.isDeciding = false;
    const quote = super.record(id, ...events);
    this.isDeciding = isDeciding;
    return quote;
  }
}

class LitBook extends MemoryBook {
  override readonly quotes: LitQuotes;

  constructor(policy: SettlementPolicy, show: (quote: Quote) => Quote) {
    super(policy);
    this.quotes = new LitQuotes(this.log, show);
  }
}

/** Whatever is decided meanwhile is decided by what the book shows deciders. */
export function deciding<T>({ quotes }: MemoryBook, decide: () => T): T {
  if (!(quotes instanceof LitQuotes)) return decide();
  quotes.isDeciding = true;
  try {
    return decide();
  } finally {
    quotes.isDeciding = false;
  }
}

const asIfUnused = (quote: Quote): Quote =>
  quote.status === 'used' ? { status: 'locked', terms: quote.terms, lockedAt: quote.lockedAt } : quote;

const asIfEndless = (quote: Quote): Quote =>
  quote.status === 'none'
    ? quote
    : { ...quote, terms: { ...quote.terms, expiresAt: Number.MAX_SAFE_INTEGER as Instant } };

/** Of an exchange only what the payer gives is counted. */
class OneLeggedPositions extends PositionBook {
  override add(windowId: string, legs: readonly Leg[]): void {
    super.add(windowId, legs.slice(0, 1));
  }
}

class OneLeggedBook extends MemoryBook {
  override readonly positions = new OneLeggedPositions();
}

/** Nobody is told when it is time. */
class TimelessBook extends MemoryBook {
  override schedule(): void {
    // Never.
  }
}

/** Which windows are open is what somebody has read a while ago. */
class LaggingBook extends MemoryBook {
  override readonly netting: MemoryBook['netting'];

  constructor(policy: SettlementPolicy) {
    super(policy);
    const nettings = new MemoryRecords<Netting, NettingEvent>(nettingAggregate, this.log);
    let before = nettings.get('windows');
    this.netting = {
      get: () => before,
      record: (...events) => {
        before = nettings.get('windows');
        return nettings.record('windows', ...events);
      },
    };
  }
}

/** Whoever is overdrawn goes on. */
class UnfrozenInstitutions extends MemoryRecords<Institution, InstitutionEvent> {
  override record(id: string, ...events: readonly InstitutionEvent[]): Institution {
    return super.record(id, ...events.filter(({ type }) => type !== 'institution_frozen'));
  }
}

class UnfreezingBook extends MemoryBook {
  override readonly institutions = new UnfrozenInstitutions(institutionAggregate, this.log);
}
