import { assert, type Brand } from '@finality/kernel';
import type { AccountId } from './account.ts';
import { FieldWriter } from './fields.ts';

/** Lower-case hex of 32 bytes made of what the transfer is for: see {@link transferId}. */
export type TransferId = Brand<string, 'TransferId'>;

/**
 * What a transfer is for. The same thing again is the same transfer (a no-op); a deposit confirmed again after a reorg is the same
 * purpose and object in its next life.
 */
export interface TransferKey {
  /** What is done, as a fixed word: `reserve`, `deposit_final`. */
  readonly purpose: string;
  /** What it is done to: a settlement id, an outpoint. */
  readonly object: string;
  /** 1, and one more each time that the object comes back after a reorg. */
  readonly life: number;
}

interface Move extends TransferKey {
  readonly id: TransferId;
  readonly debit: AccountId;
  readonly credit: AccountId;
  /** In the accounts' unit, 1 to 2^63 − 1. */
  readonly amount: bigint;
  /** For statements: the settlement this belongs to. */
  readonly settlementId?: string;
}

interface Resolution extends TransferKey {
  readonly id: TransferId;
  readonly pendingId: TransferId;
  readonly settlementId?: string;
}

/** One movement as it is asked for. */
export type Transfer =
  | ({ readonly kind: 'single' } & Move)
  /** Reserves: counts against limits, moves nothing until it is posted. */
  | ({ readonly kind: 'pending' } & Move)
  /** Moves `amount` of a pending transfer (at most all of it) and releases the rest. */
  | ({ readonly kind: 'post'; readonly amount: bigint } & Resolution)
  /** Releases all of a pending transfer. */
  | ({ readonly kind: 'void' } & Resolution)
  /** Puts right what an earlier transfer said. Skips limits: it may overdraw an account. */
  | ({ readonly kind: 'correction'; readonly corrects: TransferId } & Move);

export type TransferKind = Transfer['kind'];

/** A movement as it stands in the ledger: a post or void carries the accounts (and a void the amount) of what it resolves. */
export interface RecordedTransfer extends TransferKey {
  readonly id: TransferId;
  readonly kind: TransferKind;
  readonly debit: AccountId;
  readonly credit: AccountId;
  readonly amount: bigint;
  readonly pendingId?: TransferId;
  readonly corrects?: TransferId;
  readonly settlementId?: string;
}

/** A move that is made at once. */
export type SingleTransfer = Transfer & { readonly kind: 'single' };

type MoveInput = Omit<Move, 'id'>;
type ResolutionInput = Omit<Resolution, 'id'>;

export const single = (input: MoveInput): SingleTransfer => ({
  kind: 'single',
  ...input,
  id: transferId(input),
});

export const pending = (input: MoveInput): Transfer => ({ kind: 'pending', ...input, id: transferId(input) });

export const post = (input: ResolutionInput & { readonly amount: bigint }): Transfer => ({
  kind: 'post',
  ...input,
  id: transferId(input),
});

/** Named so because `void` is a reserved word. */
export const voidPending = (input: ResolutionInput): Transfer => ({ kind: 'void', ...input, id: transferId(input) });

export const correction = (input: MoveInput & { readonly corrects: TransferId }): Transfer => ({
  kind: 'correction',
  ...input,
  id: transferId(input),
});

/** A UUIDv7 (RFC 9562) and what follows it: 48 bits of time come first. */
const TIMED = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab]/;
const TIME_DIGITS = 12;

/**
 * SHA-256 over purpose, object and life (decimal), each UTF-8 with its length in bytes before it as four bytes, big-endian. Where the object begins with a UUIDv7,
 * that one's 48 bits of time take the place of the first 48: ids of what was begun together are neighbours in the ledger's index, however long it has become.
 * The vectors in `transfer.spec.ts` are frozen: ids are stored for ever.
 */
export function transferId(key: TransferKey): TransferId {
  assert(key.purpose !== '' && key.object !== '', 'a transfer has a purpose and an object');
  assert(Number.isSafeInteger(key.life) && key.life >= 1, `${key.life} is no life: they are counted from 1`);
  const digest = writer.start().field(key.purpose).field(key.object).field(`${key.life}`).sha256('hex');
  const time = TIMED.exec(key.object);
  return (time ? `${time[1]}${time[2]}${digest.slice(TIME_DIGITS)}` : digest) as TransferId;
}

const writer = new FieldWriter();
