import type { Account, AccountId, LedgerTail } from '@finality/ledger';

/** Where the ledger ends. */
export interface LedgerEnd {
  /** The last entry, which the next one is chained to. */
  readonly tail: LedgerTail;
  /** How many accounts there are. */
  readonly accounts: number;
}

export interface StoredAccount {
  readonly number: number;
  /** Of the batch that changed it last. */
  readonly position: string;
}

export interface AccountRecord {
  readonly account: Account;
  readonly stored: StoredAccount;
}

/** Of a few thousand institutions: each has a handful. */
const ACCOUNTS_MAX = 10_000;

/**
 * The part of the ledger that batches have loaded and saved lately. It is for whoever knows that nobody else has saved anything since; what is
 * decided on one that is out of date can't be saved ({@link saveLedger}).
 */
export class RecentLedger {
  #end: LedgerEnd | undefined;
  /** Undefined for those of which it is known that there are none yet. */
  readonly #accounts = new Map<AccountId, AccountRecord | undefined>();

  get end(): LedgerEnd | undefined {
    return this.#end;
  }

  /** Whether it is known how it is, or that there is none. */
  knows(id: AccountId): boolean {
    return this.#accounts.has(id);
  }

  account(id: AccountId): AccountRecord | undefined {
    return this.#accounts.get(id);
  }

  loaded(end: LedgerEnd, lookedFor: readonly AccountId[], found: readonly AccountRecord[]): void {
    // All at once: which of them were used last isn't worth the book-keeping.
    if (this.#accounts.size + lookedFor.length > ACCOUNTS_MAX) this.#accounts.clear();
    for (const id of lookedFor) this.#accounts.set(id, undefined);
    this.saved(end, found);
  }

  /** These accounts have become so, and that is where the ledger ends now. */
  saved(end: LedgerEnd, records: readonly AccountRecord[]): void {
    this.#end = end;
    for (const record of records) this.#accounts.set(record.account.id, record);
  }
}
