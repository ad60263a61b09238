import { type AccountId } from './account.ts';
import { accountSpec } from './chart.ts';
import type { LedgerErrorKind } from './ledger.errors.ts';
import { TRANSFER_AMOUNT_MAX } from './ledger-view.ts';
import type { RecordedTransfer, SingleTransfer, Transfer } from './transfer.ts';

export type Told = 'created' | 'exists' | LedgerErrorKind;

/**
 * The ledger's rules with nothing but a list of what was made: every question is answered by adding all of it up again. Slow, and simple enough to see
 * that it is right; what is fast has to say the same.
 */
export class LedgerModel {
  #made: readonly RecordedTransfer[] = [];
  readonly #lines = new Map<AccountId, bigint>();

  setCreditLine(available: AccountId, overdraft: bigint): void {
    this.#lines.set(available, overdraft);
  }

  /** @returns what became of each, or why the first that couldn't be made stopped all of them */
  post(group: readonly Transfer[]): readonly Told[] {
    const before = this.#made;
    const told: Told[] = [];
    for (const transfer of group) {
      const [outcome, recorded] = this.#one(transfer);
      if (outcome !== 'created' && outcome !== 'exists') {
        this.#made = before;
        return [outcome];
      }
      if (recorded !== undefined) this.#made = [...this.#made, recorded];
      told.push(outcome);
    }
    return told;
  }

  /** All of a group, if none of the accounts it takes from is past its limit in the end. */
  postNet(group: readonly SingleTransfer[]): readonly Told[] {
    const before = this.#made;
    const told = group.map((transfer): Told => {
      const [outcome, recorded] = this.#one(transfer, false);
      if (recorded !== undefined) this.#made = [...this.#made, recorded];
      return outcome;
    });
    const refused = told.find((outcome) => outcome !== 'created' && outcome !== 'exists');
    const isPast = this.#made
      .slice(before.length)
      .some(({ debit, credit }) => (this.headroom(debit) ?? 0n) < 0n || (this.creditHeadroom(credit) ?? 0n) < 0n);
    if (refused === undefined && !isPast) return told;
    this.#made = before;
    return [refused ?? 'insufficient'];
  }

  /** What may still be debited: credits less debits less reservations, and the credit line; undefined where there is no limit. */
  headroom(account: AccountId): bigint | undefined {
    if (accountSpec(account).limit.kind !== 'debits_must_not_exceed_credits') return undefined;
    return (this.#lines.get(account) ?? 0n) + this.#left(account, 'credit', 'debit');
  }

  /** What may still be credited: debits less credits, those reserved included; undefined where there is no limit. */
  creditHeadroom(account: AccountId): bigint | undefined {
    if (accountSpec(account).limit.kind !== 'credits_must_not_exceed_debits') return undefined;
    return this.#left(account, 'debit', 'credit');
  }

  #left(account: AccountId, adds: 'debit' | 'credit', takes: 'debit' | 'credit'): bigint {
    let left = 0n;
    for (const each of this.#made) {
      if (each.kind === 'void' || (each.kind === 'pending' && this.#endOf(each) !== undefined)) continue;
      if (each[takes] === account) left -= each.amount;
      if (each[adds] === account && each.kind !== 'pending') left += each.amount;
    }
    return left;
  }

  #one(transfer: Transfer, isLimited = true): readonly [Told, RecordedTransfer?] {
    const existing = this.#made.find(({ id }) => id === transfer.id);
    if (existing !== undefined) {
      const isSame = Object.entries(transfer).every(([field, value]) => existing[field as keyof Transfer] === value);
      return [isSame ? 'exists' : 'exists_with_different'];
    }
    return transfer.kind === 'post' || transfer.kind === 'void'
      ? this.#resolve(transfer)
      : this.#move(transfer, isLimited);
  }

  #move(
    transfer: Exclude<Transfer, { kind: 'post' | 'void' }>,
    isLimited: boolean,
  ): readonly [Told, RecordedTransfer?] {
    const { debit, credit, amount } = transfer;
    if (transfer.kind === 'correction' && this.#made.every(({ id }) => id !== transfer.corrects))
      return ['unknown_corrected'];
    if (debit === credit) return ['same_account'];
    if (!isAmount(amount)) return ['amount_out_of_range'];
    if (accountSpec(debit).unit !== accountSpec(credit).unit) return ['unit_mismatch'];
    const headrooms = [this.headroom(debit), this.creditHeadroom(credit)];
    const isBound = isLimited && transfer.kind !== 'correction';
    if (isBound && headrooms.some((headroom) => headroom !== undefined && headroom < amount)) return ['insufficient'];
    return ['created', transfer];
  }

  #resolve(transfer: Extract<Transfer, { kind: 'post' | 'void' }>): readonly [Told, RecordedTransfer?] {
    const reserved = this.#made.find(({ id }) => id === transfer.pendingId);
    if (reserved === undefined) return ['unknown_pending'];
    if (reserved.kind !== 'pending') return ['not_pending'];
    const end = this.#endOf(reserved);
    if (end !== undefined) return [end.kind === 'post' ? 'already_posted' : 'already_voided'];
    const amount = transfer.kind === 'post' ? transfer.amount : reserved.amount;
    if (!isAmount(amount)) return ['amount_out_of_range'];
    if (amount > reserved.amount) return ['amount_exceeds_pending'];
    return ['created', { ...transfer, debit: reserved.debit, credit: reserved.credit, amount }];
  }

  #endOf(reserved: RecordedTransfer): RecordedTransfer | undefined {
    return this.#made.find(({ pendingId }) => pendingId === reserved.id);
  }
}

const isAmount = (amount: bigint): boolean => amount >= 1n && amount <= TRANSFER_AMOUNT_MAX;
