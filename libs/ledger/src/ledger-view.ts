import { assert, assertNever, err, ok, type Result } from '@finality/kernel';
import {
  type Account,
  type AccountId,
  creditBalance,
  creditHeadroom,
  debitHeadroom,
  isOverdrawn,
  openAccount,
} from './account.ts';
import { accountSpec, availableAccount, type Claim, heldAccount, inFlightAccount, incomingAccount } from './chart.ts';
import type { LedgerError } from './ledger.errors.ts';
import type { RecordedTransfer, SingleTransfer, Transfer, TransferId } from './transfer.ts';
import { BTC, type Unit } from './unit.ts';

/** The largest amount of one transfer: what a `bigint` of Postgres and an `int64` hold. */
export const TRANSFER_AMOUNT_MAX = 2n ** 63n - 1n;

export interface Posted {
  readonly transferId: TransferId;
  /** `exists`: the same transfer was made before; nothing moved. */
  readonly outcome: 'created' | 'exists';
  /** Accounts that this transfer left past their limit; only a correction can. Whoever owns them must be frozen. */
  readonly overdrawn: readonly AccountId[];
}

/** A claim's parts, in the smallest part of its unit. Their sum is what the claim is worth. */
export interface ClaimBalance {
  /** Not reserved and free to spend; negative as far as a credit line is drawn, or after a correction. */
  readonly available: bigint;
  readonly reserved: bigint;
  readonly inFlight: bigint;
  readonly incoming: bigint;
  readonly held: bigint;
}

/** What deciders see of the ledger. */
export interface LedgerReader {
  account(id: AccountId): Account;
  balanceOf(claim: Claim): ClaimBalance;
  /** What the claim can pay now: available plus what is left of the credit line; negative when overdrawn. */
  spendable(claim: Claim): bigint;
  /** What {@link LedgerView.post} would say, without doing it. */
  check(transfers: readonly Transfer[]): Result<readonly Posted[], LedgerError>;
  transfer(id: TransferId): RecordedTransfer | undefined;
  /** The post or void that ended a pending transfer. */
  resolutionOf(pendingId: TransferId): RecordedTransfer | undefined;
}

/** What a ledger view starts from. */
export interface LedgerContents {
  readonly accounts: readonly Account[];
  readonly transfers: readonly RecordedTransfer[];
  /**
   * When given, the view is a part of a ledger: these were looked for, and those not listed above don't exist. Asking for any other is a
   * bug and throws; that other new ids are new is proven when the view is saved. Without it the view is the whole ledger.
   */
  readonly lookedFor?: { readonly accounts: readonly AccountId[]; readonly transfers: readonly TransferId[] };
}

/** What changed since the view was made, for whoever stores it. */
export interface LedgerChanges {
  /** `before` is what the view was given; missing for an account used for the first time. */
  readonly accounts: readonly { readonly before?: Account; readonly after: Account }[];
  /** In the order in which they were made. */
  readonly transfers: readonly RecordedTransfer[];
}

/** A point to come back to. */
export type Savepoint = { readonly undoLength: number; readonly transferCount: number };

/**
 * The ledger in memory: decides, transfer by transfer, whether each may be made, exactly as if they came one at a time, however they
 * are batched. Not the truth but its arithmetic; a store loads it, and saves what it gathered.
 */
export class LedgerView implements LedgerReader {
  readonly #accounts = new Map<AccountId, Account>();
  readonly #original = new Map<AccountId, Account>();
  readonly #transfers = new Map<TransferId, RecordedTransfer>();
  readonly #resolutions = new Map<TransferId, RecordedTransfer>();
  readonly #whole: boolean;
  readonly #lookedForAccounts: ReadonlySet<AccountId>;
  readonly #lookedForTransfers: ReadonlySet<TransferId>;
  readonly #made: RecordedTransfer[] = [];
  /** What clearing balances in BTC owe in all, and may; missing where that doesn't matter. */
  #lending: { readonly cap: bigint; lent: bigint } | undefined;
  readonly #undo: (() => void)[] = [];

  constructor(contents: LedgerContents) {
    this.#whole = contents.lookedFor === undefined;
    this.#lookedForAccounts = new Set(contents.lookedFor?.accounts);
    this.#lookedForTransfers = new Set(contents.lookedFor?.transfers);
    for (const account of contents.accounts) {
      this.#accounts.set(account.id, account);
      this.#original.set(account.id, account);
    }
    for (const transfer of contents.transfers) {
      this.#transfers.set(transfer.id, transfer);
      if (isResolution(transfer)) this.#resolutions.set(transfer.pendingId, transfer);
    }
  }

  /** A whole, empty ledger. */
  static inMemory(): LedgerView {
    return new LedgerView({ accounts: [], transfers: [] });
  }

  /**
   * Makes the transfers in order, each seeing those before it: all of them or, with the first error, none. A transfer that was made
   * before with the same content is a no-op (`exists`).
   */
  post(transfers: readonly Transfer[]): Result<readonly Posted[], LedgerError> {
    return this.#postAll(transfers, true);
  }

  /** As {@link post}, whatever the accounts' limits: for what has happened already. */
  impose(transfers: readonly Transfer[]): Result<readonly Posted[], LedgerError> {
    return this.#postAll(transfers, false);
  }

  /**
   * Makes the transfers all together: limits hold for what all of them leave, not for each in its turn, so that what an account pays may be what it is paid by the others. All of
   * them or none. An account that the group only adds to may stay past its limit, if it was.
   */
  postNet(transfers: readonly SingleTransfer[]): Result<readonly Posted[], LedgerError> {
    const start = this.savepoint();
    const lentBefore = this.#lending?.lent;
    const posted = this.#postAll(transfers, false);
    if (!posted.ok) return posted;
    const made = this.#made.slice(start.transferCount);
    const lacking = netShortfall(made, (id) => this.account(id)) ?? this.#overlent(made, lentBefore);
    if (lacking === undefined) return ok(posted.value.map((each) => ({ ...each, overdrawn: [] })));
    this.rollbackTo(start);
    return err(lacking);
  }

  #postAll(transfers: readonly Transfer[], isLimited: boolean): Result<readonly Posted[], LedgerError> {
    const start = this.savepoint();
    const lentBefore = this.#lending?.lent;
    const outcomes: Posted[] = [];
    for (const transfer of transfers) {
      const posted = this.#postOne(transfer, isLimited);
      if (!posted.ok) {
        this.rollbackTo(start);
        return posted;
      }
      outcomes.push(posted.value);
    }
    const lacking = isLimited ? this.#overlent(this.#made.slice(start.transferCount), lentBefore) : undefined;
    if (lacking === undefined) return ok(outcomes);
    this.rollbackTo(start);
    return err(lacking);
  }

  /** Whether what these transfers drew, less what they paid back, goes past what the platform lends. Corrections are never refused. */
  #overlent(made: readonly RecordedTransfer[], lentBefore: bigint | undefined): LedgerError | undefined {
    if (this.#lending === undefined || lentBefore === undefined) return undefined;
    const { cap, lent } = this.#lending;
    const [first] = made;
    if (first === undefined || lent <= cap || lent <= lentBefore) return undefined;
    return made.some(({ kind }) => kind === 'correction')
      ? undefined
      : { kind: 'lending_cap', transferId: first.id, lent, cap };
  }

  /** Each group as {@link post}: a group that fails leaves no trace and doesn't hurt its neighbours. */
  postGroups(groups: readonly (readonly Transfer[])[]): readonly Result<readonly Posted[], LedgerError>[] {
    return groups.map((group) => this.post(group));
  }

  check(transfers: readonly Transfer[]): Result<readonly Posted[], LedgerError> {
    const start = this.savepoint();
    const result = this.post(transfers);
    this.rollbackTo(start);
    return result;
  }

  /** Sets a claim's credit line (satoshi, 0 or more). Below what is drawn already it stops further debits and moves nothing. */
  setCreditLine(claim: Claim, overdraft: bigint): void {
    assert(overdraft >= 0n && overdraft <= TRANSFER_AMOUNT_MAX, `${overdraft} is no credit line`);
    const account = this.account(availableAccount(claim));
    if (account.limit.kind === 'debits_must_not_exceed_credits' && account.limit.overdraft === overdraft) return;
    this.#setAccount({ ...account, limit: { kind: 'debits_must_not_exceed_credits', overdraft } });
  }

  account(id: AccountId): Account {
    const account = this.#accounts.get(id);
    if (account !== undefined) return account;
    assert(this.#whole || this.#lookedForAccounts.has(id), `account ${id} was not loaded`);
    return openAccount(accountSpec(id));
  }

  balanceOf(claim: Claim): ClaimBalance {
    return claimBalance(claim, (id) => this.account(id));
  }

  spendable(claim: Claim): bigint {
    const headroom = debitHeadroom(this.account(availableAccount(claim)));
    assert(headroom !== undefined, 'available accounts are limited');
    return headroom;
  }

  transfer(id: TransferId): RecordedTransfer | undefined {
    const transfer = this.#transfers.get(id);
    assert(transfer !== undefined || this.#isAbsent(id), `transfer ${id} was not loaded`);
    return transfer;
  }

  resolutionOf(pendingId: TransferId): RecordedTransfer | undefined {
    return this.#resolutions.get(pendingId);
  }

  savepoint(): Savepoint {
    return { undoLength: this.#undo.length, transferCount: this.#made.length };
  }

  /** Takes back everything since the savepoint: for a handler that posts and then refuses. */
  rollbackTo(savepoint: Savepoint): void {
    while (this.#undo.length > savepoint.undoLength) this.#undo.pop()?.();
    this.#made.length = savepoint.transferCount;
  }

  /**
   * From here on no group of transfers draws on credit lines beyond a cap on what all of them have drawn, in satoshi; what a group pays back counts first.
   * @param lent what is drawn of all lines there are, as the view was given them
   */
  limitLending(cap: bigint, lent: bigint): void {
    assert(this.#undo.length === 0, 'a cap holds for all that is decided on the view');
    this.#lending = { cap, lent };
  }

  /** Every account known to the view. */
  accounts(): readonly Account[] {
    return [...this.#accounts.values()];
  }

  changes(): LedgerChanges {
    this.assertZeroSum();
    const accounts: { before?: Account; after: Account }[] = [];
    for (const after of this.#accounts.values()) {
      const before = this.#original.get(after.id);
      if (after !== before) accounts.push(before === undefined ? { after } : { before, after });
    }
    return { accounts, transfers: [...this.#made] };
  }

  /** What was done since the view was made adds up to nothing in each unit, posted and pending; in a whole ledger that is all there is. */
  assertZeroSum(): void {
    const sums = new Map<Unit, { posted: bigint; pending: bigint }>();
    for (const account of this.#accounts.values()) {
      const before = this.#whole ? undefined : this.#original.get(account.id);
      if (account === before) continue;
      let sum = sums.get(account.unit);
      if (sum === undefined) sums.set(account.unit, (sum = { posted: 0n, pending: 0n }));
      sum.posted += creditBalance(account) - (before === undefined ? 0n : creditBalance(before));
      sum.pending += pendingBalance(account) - (before === undefined ? 0n : pendingBalance(before));
    }
    for (const [unit, { posted, pending }] of sums)
      assert(posted === 0n && pending === 0n, `the ledger is off by ${posted} of ${unit} posted, ${pending} pending`);
  }

  #postOne(transfer: Transfer, isLimited: boolean): Result<Posted, LedgerError> {
    const existing = this.#transfers.get(transfer.id);
    if (existing !== undefined) return sameOrError(existing, transfer);
    switch (transfer.kind) {
      case 'single':
      case 'pending':
        return this.#move(transfer, isLimited);
      case 'correction':
        if (!this.#transfers.has(transfer.corrects) && this.#isAbsent(transfer.corrects)) {
          return err({ kind: 'unknown_corrected', transferId: transfer.id, corrects: transfer.corrects });
        }
        return this.#move(transfer, false);
      case 'post':
      case 'void':
        return this.#resolve(transfer);
      default:
        return assertNever(transfer, 'transfer');
    }
  }

  #move(
    transfer: Extract<Transfer, { kind: 'single' | 'pending' | 'correction' }>,
    limited: boolean,
  ): Result<Posted, LedgerError> {
    const { id: transferId, debit, credit, amount } = transfer;
    if (debit === credit) return err({ kind: 'same_account', transferId, account: debit });
    if (!isAmount(amount)) return err({ kind: 'amount_out_of_range', transferId, amount });
    const debited = this.account(debit);
    const credited = this.account(credit);
    if (debited.unit !== credited.unit) return err({ kind: 'unit_mismatch', transferId, debit, credit });
    if (limited) {
      const lacking =
        shortfall(debited, debitHeadroom(debited), amount) ?? shortfall(credited, creditHeadroom(credited), amount);
      if (lacking !== undefined) return err({ kind: 'insufficient', transferId, ...lacking });
    }
    const isPending = transfer.kind === 'pending';
    this.#setAccount(
      isPending
        ? { ...debited, debitsPending: debited.debitsPending + amount }
        : { ...debited, debitsPosted: debited.debitsPosted + amount },
    );
    this.#setAccount(
      isPending
        ? { ...credited, creditsPending: credited.creditsPending + amount }
        : { ...credited, creditsPosted: credited.creditsPosted + amount },
    );
    this.#record(transfer);
    const overdrawn = limited ? [] : [debit, credit].filter((id) => isOverdrawn(this.account(id)));
    return ok({ transferId, outcome: 'created', overdrawn });
  }

  #resolve(transfer: Extract<Transfer, { kind: 'post' | 'void' }>): Result<Posted, LedgerError> {
    const { id: transferId, pendingId } = transfer;
    const reserved = this.#transfers.get(pendingId);
    if (reserved === undefined) {
      assert(this.#isAbsent(pendingId), `pending transfer ${pendingId} was not loaded`);
      return err({ kind: 'unknown_pending', transferId, pendingId });
    }
    if (reserved.kind !== 'pending') return err({ kind: 'not_pending', transferId, pendingId });
    const ended = this.#resolutions.get(pendingId);
    if (ended !== undefined) {
      return err({
        kind: ended.kind === 'post' ? 'already_posted' : 'already_voided',
        transferId,
        pendingId,
        by: ended.id,
      });
    }
    const amount = transfer.kind === 'post' ? transfer.amount : 0n;
    if (transfer.kind === 'post') {
      if (!isAmount(amount)) return err({ kind: 'amount_out_of_range', transferId, amount });
      if (amount > reserved.amount) {
        return err({ kind: 'amount_exceeds_pending', transferId, pendingId, pending: reserved.amount, amount });
      }
    }
    const debited = this.account(reserved.debit);
    const credited = this.account(reserved.credit);
    assert(debited.debitsPending >= reserved.amount, `${debited.id} has less pending than ${pendingId} reserved`);
    assert(credited.creditsPending >= reserved.amount, `${credited.id} has less pending than ${pendingId} reserved`);
    this.#setAccount({
      ...debited,
      debitsPending: debited.debitsPending - reserved.amount,
      debitsPosted: debited.debitsPosted + amount,
    });
    this.#setAccount({
      ...credited,
      creditsPending: credited.creditsPending - reserved.amount,
      creditsPosted: credited.creditsPosted + amount,
    });
    const recorded: RecordedTransfer = {
      ...transfer,
      debit: reserved.debit,
      credit: reserved.credit,
      amount: transfer.kind === 'post' ? amount : reserved.amount,
    };
    this.#record(recorded);
    this.#resolutions.set(pendingId, recorded);
    this.#undo.push(() => this.#resolutions.delete(pendingId));
    return ok({ transferId, outcome: 'created', overdrawn: [] });
  }

  #setAccount(account: Account): void {
    const previous = this.#accounts.get(account.id);
    const lending = this.#lending;
    const drawn = lending === undefined ? 0n : drawnOf(account) - (previous === undefined ? 0n : drawnOf(previous));
    if (lending !== undefined && drawn !== 0n) {
      lending.lent += drawn;
      this.#undo.push(() => (lending.lent -= drawn));
    }
    this.#accounts.set(account.id, account);
    this.#undo.push(() =>
      previous === undefined ? this.#accounts.delete(account.id) : this.#accounts.set(account.id, previous),
    );
  }

  #record(transfer: RecordedTransfer): void {
    this.#transfers.set(transfer.id, transfer);
    this.#made.push(transfer);
    this.#undo.push(() => this.#transfers.delete(transfer.id));
  }

  #isAbsent(id: TransferId): boolean {
    return this.#whole || this.#lookedForTransfers.has(id);
  }
}

/** The parts of a claim from its accounts, wherever they are kept. */
export function claimBalance(claim: Claim, account: (id: AccountId) => Account): ClaimBalance {
  const available = account(availableAccount(claim));
  return {
    available: creditBalance(available) - available.debitsPending,
    reserved: available.debitsPending,
    inFlight: creditBalance(account(inFlightAccount(claim))),
    incoming: creditBalance(account(incomingAccount(claim))),
    held: creditBalance(account(heldAccount(claim))),
  };
}

/** What an institution owes on clearing, reservations included; nothing of any other account. */
function drawnOf({ id, unit, debitsPosted, debitsPending, creditsPosted }: Account): bigint {
  const owed = debitsPosted + debitsPending - creditsPosted;
  return owed > 0n && unit === BTC && id.startsWith('clearing/') && id.endsWith('/available') ? owed : 0n;
}

function isAmount(amount: bigint): boolean {
  return amount >= 1n && amount <= TRANSFER_AMOUNT_MAX;
}

function isResolution(transfer: RecordedTransfer): transfer is RecordedTransfer & { readonly pendingId: TransferId } {
  return transfer.pendingId !== undefined;
}

function pendingBalance(account: Account): bigint {
  return account.creditsPending - account.debitsPending;
}

function shortfall(
  account: Account,
  headroom: bigint | undefined,
  needed: bigint,
): { account: AccountId; available: bigint; needed: bigint } | undefined {
  return headroom === undefined || needed <= headroom
    ? undefined
    : { account: account.id, available: headroom, needed };
}

/** The first account that these transfers, which have been made, leave past a limit on the side on which they moved it. */
function netShortfall(made: readonly RecordedTransfer[], account: (id: AccountId) => Account): LedgerError | undefined {
  for (const { id: transferId, debit, credit } of made) {
    const debited = debitHeadroom(account(debit)) ?? 0n;
    const lacking =
      debited < 0n
        ? netOf(debit, debited, made, 'debit')
        : netOf(credit, creditHeadroom(account(credit)) ?? 0n, made, 'credit');
    if (lacking !== undefined) return { kind: 'insufficient', transferId, ...lacking };
  }
  return undefined;
}

/** @param headroom what is left after the transfers. @returns what the account could have been moved by, with what the others moved it back, and what was needed */
function netOf(
  account: AccountId,
  headroom: bigint,
  made: readonly RecordedTransfer[],
  side: 'debit' | 'credit',
): { account: AccountId; available: bigint; needed: bigint } | undefined {
  if (headroom >= 0n) return undefined;
  const needed = made.reduce((sum, each) => (each[side] === account ? sum + each.amount : sum), 0n);
  return { account, available: headroom + needed, needed };
}

/** The fields that say what a transfer is; a request for a post or void has some of them only. */
const CONTENT = [
  'kind',
  'purpose',
  'object',
  'life',
  'debit',
  'credit',
  'amount',
  'pendingId',
  'corrects',
  'settlementId',
] as const satisfies readonly (keyof RecordedTransfer)[];

const GIVEN_BY_PENDING: ReadonlySet<string> = new Set(['debit', 'credit', 'amount']);

function sameOrError(existing: RecordedTransfer, transfer: Transfer): Result<Posted, LedgerError> {
  const asked: Partial<RecordedTransfer> = transfer;
  for (const field of CONTENT) {
    if (asked[field] === existing[field]) continue;
    if (asked[field] === undefined && asked.pendingId !== undefined && GIVEN_BY_PENDING.has(field)) continue;
    return err({
      kind: 'exists_with_different',
      transferId: transfer.id,
      field,
      expected: String(existing[field]),
      got: String(asked[field]),
    });
  }
  return ok({ transferId: transfer.id, outcome: 'exists', overdrawn: [] });
}
