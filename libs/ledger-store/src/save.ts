import {
  bigintArray,
  hexArray,
  integerArray,
  slicesArray,
  textArray,
  type WritingSession,
} from '@finality/event-store';
import { assert, type Instant } from '@finality/kernel';
import { type Account, type AccountId, chainEntries, HASH_BYTES, type RecordedTransfer } from '@finality/ledger';
import type { LoadedLedger } from './load.ts';
import type { AccountRecord, LedgerEnd, StoredAccount } from './recent.ts';

/**
 * Writes what the view gathered, in the transaction and under the lock in which it was loaded. `position` is that of the batch's last
 * event; the transfers are the ledger's next entries, so one batch saves once. Anything that doesn't fit what is stored (an id
 * that exists, an account or a ledger that somebody else has changed since) fails in the database: the transaction can't commit any more.
 * One statement, however many they are, and one more when accounts are used for the first time; nothing is waited for.
 * @returns how the ledger is once the transaction is stored; undefined when nothing changes
 */
export function saveLedger(
  session: WritingSession,
  ledger: LoadedLedger,
  position: bigint,
  now: Instant,
): SavedLedger | undefined {
  const { accounts, transfers } = ledger.view.changes();
  if (accounts.length === 0 && transfers.length === 0) return undefined;
  assert(position >= 1n, 'a batch with transfers has an event');
  const opened = accounts.filter(({ before }) => before === undefined).map(({ after }) => after);
  const changed = accounts.filter(({ before }) => before !== undefined).map(({ after }) => after);
  const batch = new SaveBatch(ledger, opened, position, now);
  if (opened.length > 0) session.send(INSERT_ACCOUNTS, batch.openedValues(opened), 'save-accounts');
  const chained = chainEntries(ledger.tail, transfers, { position, recordedAt: now });
  session.send(SAVE_LEDGER, batch.values(transfers, changed, chained), 'save-ledger');
  const records = [...opened, ...changed].map((account) => batch.recordOf(account));
  return { end: { tail: chained.tail, accounts: batch.accounts }, records };
}

export interface SavedLedger {
  readonly end: LedgerEnd;
  /** Accounts that have changed. */
  readonly records: readonly AccountRecord[];
}

/** The parameters of the statements below. */
class SaveBatch {
  readonly #ledger: LoadedLedger;
  readonly #stored: ReadonlyMap<AccountId, StoredAccount>;
  /** How many there are then. */
  readonly accounts: number;
  readonly #position: bigint;
  readonly #now: Instant;

  constructor(ledger: LoadedLedger, opened: readonly Account[], position: bigint, now: Instant) {
    this.#ledger = ledger;
    this.#position = position;
    this.#now = now;
    this.accounts = ledger.accounts + opened.length;
    const added = opened.map(
      ({ id }, i) => [id, { number: ledger.accounts + i + 1, position: `${position}` }] as const,
    );
    this.#stored = opened.length === 0 ? ledger.stored : new Map([...ledger.stored, ...added]);
  }

  openedValues(opened: readonly Account[]): unknown[] {
    return [
      opened.map(({ id }) => this.#place(id).number),
      opened.map((a) => a.id),
      opened.map((a) => a.unit),
      opened.map((a) => a.limit.kind),
      opened.map(overdraftOf),
      ...totalColumns(opened),
      `${this.#position}`,
      this.#now,
    ];
  }

  recordOf(account: Account): AccountRecord {
    return { account, stored: { number: this.#place(account.id).number, position: `${this.#position}` } };
  }

  values(
    transfers: readonly RecordedTransfer[],
    changed: readonly Account[],
    chained: ReturnType<typeof chainEntries>,
  ): unknown[] {
    const { tail, accounts } = this.#ledger;
    return [
      `${this.#position}`,
      this.#now,
      `${tail.number}`,
      `${chained.tail.number}`,
      chained.tail.chain,
      accounts,
      this.accounts,
      ...this.#changedValues(changed),
      ...this.#entryValues(transfers),
      slicesArray(chained.hashes, HASH_BYTES),
    ];
  }

  #changedValues(changed: readonly Account[]): unknown[] {
    const places = changed.map(({ id }) => this.#place(id));
    return [
      changed.length,
      places.map((place) => place.number),
      places.map((place) => place.position),
      changed.map(overdraftOf),
      ...totalColumns(changed),
    ];
  }

  #entryValues(transfers: readonly RecordedTransfer[]): unknown[] {
    return [
      hexArray(
        transfers.map((t) => t.id),
        HASH_BYTES,
      ),
      textArray(transfers.map((t) => t.kind)),
      integerArray(transfers.map((t) => this.#place(t.debit).number)),
      integerArray(transfers.map((t) => this.#place(t.credit).number)),
      bigintArray(transfers.map((t) => t.amount)),
      hexArray(
        transfers.map((t) => t.pendingId),
        HASH_BYTES,
      ),
      hexArray(
        transfers.map((t) => t.corrects),
        HASH_BYTES,
      ),
      textArray(transfers.map((t) => t.purpose)),
      textArray(transfers.map((t) => t.object)),
      integerArray(transfers.map((t) => t.life)),
      textArray(transfers.map((t) => t.settlementId)),
    ];
  }

  #place(id: AccountId): StoredAccount {
    const place = this.#stored.get(id);
    assert(place !== undefined, `account ${id} was neither loaded nor opened`);
    return place;
  }
}

const INSERT_ACCOUNTS = `
  INSERT INTO ledger_accounts (number, id, unit, limit_kind, overdraft, debits_posted, credits_posted, debits_pending, credits_pending,
                               updated_position, updated_at)
  SELECT t.*, $10::bigint, $11::bigint
  FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::numeric[], $7::numeric[], $8::numeric[], $9::numeric[]) AS t`;

/**
 * The accounts as they are after the batch, its entries, and the head. An account counts only if nobody has changed it since it was loaded: a lost
 * update would make or lose money. If any was changed, or the head isn't the one that was loaded, the head's number becomes null, which its
 * column refuses.
 */
const SAVE_LEDGER = `
  WITH
  accounts AS (
    UPDATE ledger_accounts a
    SET overdraft = n.overdraft, debits_posted = n.dp, credits_posted = n.cp, debits_pending = n.dn, credits_pending = n.cn,
        updated_position = $1::bigint, updated_at = $2::bigint
    FROM unnest($9::integer[], $10::bigint[], $11::bigint[], $12::numeric[], $13::numeric[], $14::numeric[], $15::numeric[])
         AS n (number, loaded_position, overdraft, dp, cp, dn, cn)
    WHERE a.number = n.number AND a.updated_position = n.loaded_position
    RETURNING 1),
  entries AS (
    INSERT INTO ledger_transfers (id, number, position, kind, debit, credit, amount, pending_id, corrects, purpose, object, life,
                                  settlement_id, recorded_at, hash)
    SELECT t.id, $3::bigint + t.ordinality, $1::bigint, t.kind, t.debit, t.credit, t.amount, t.pending_id, t.corrects, t.purpose, t.object,
           t.life, t.settlement_id, $2::bigint, t.hash
    FROM unnest($16::bytea[], $17::text[], $18::integer[], $19::integer[], $20::bigint[], $21::bytea[], $22::bytea[], $23::text[], $24::text[],
                $25::integer[], $26::text[], $27::bytea[])
         WITH ORDINALITY AS t (id, kind, debit, credit, amount, pending_id, corrects, purpose, object, life, settlement_id, hash, ordinality))
  UPDATE ledger_head
  SET number = CASE WHEN number = $3::bigint AND accounts = $6::integer AND (SELECT count(*) FROM accounts) = $8::integer THEN $4::bigint END,
      position = CASE WHEN number < $4::bigint THEN $1::bigint ELSE position END, chain = $5::bytea, accounts = $7::integer`;

function overdraftOf(account: Account): string {
  return account.limit.kind === 'debits_must_not_exceed_credits' ? `${account.limit.overdraft}` : '0';
}

function totalColumns(accounts: readonly Account[]): string[][] {
  return [
    accounts.map((a) => `${a.debitsPosted}`),
    accounts.map((a) => `${a.creditsPosted}`),
    accounts.map((a) => `${a.debitsPending}`),
    accounts.map((a) => `${a.creditsPending}`),
  ];
}
