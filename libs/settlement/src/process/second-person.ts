import { assert, fieldError, type Instant, refusal, type Refusal } from '@finality/kernel';
import type { Book } from '../book.ts';

/** Who has decided what takes two. */
export interface Deciders {
  /** API key that asked. */
  readonly by: string;
  /** The other person's, where it took one. */
  readonly confirmedBy?: string;
}

/** Over a weekend: until then somebody has seen a key that shouldn't have been issued. */
export const KEY_WAITS_MS = 72 * 3_600_000;

/**
 * Whoever takes a step, the first or the second, of what takes two: with a key that still is one, and that isn't new. Two who issue a key, one of them
 * carelessly, could make the other one a second person otherwise, or two.
 * @returns KEY_REVOKED, KEY_TOO_NEW
 */
export function stepRefusal(book: Book, by: string): Refusal | undefined {
  const key = book.apiKeys.get(by);
  assert(key.status !== 'none', `whoever decides has a key: ${by}`);
  // Others learn of it some seconds later.
  if (key.status === 'revoked') return refusal('permission_denied', 'KEY_REVOKED', 'this key has been revoked');
  const from = (key.createdAt + KEY_WAITS_MS) as Instant;
  if (key.issued === undefined || from <= book.now) return undefined;
  const message = `expected a key that was issued three days ago, got one that decides with others from ${from} on`;
  return refusal('permission_denied', 'KEY_TOO_NEW', message);
}

/** Whoever has proposed something doesn't confirm it, whatever it is. @returns SAME_PERSON, KEY_REVOKED, KEY_TOO_NEW */
export const secondStepRefusal = (book: Book, proposedBy: string, by: string): Refusal | undefined =>
  proposedBy === by
    ? refusal('permission_denied', 'SAME_PERSON', 'expected another person than the one who proposed it')
    : stepRefusal(book, by);

/** An operator alone may make what somebody may owe or pay less, and never more. @param field of the request, where it is one */
export function secondPersonRequired(field?: string): Refusal {
  const message = 'expected another operator’s word as well: propose it (ProposeChange), and have it confirmed';
  const fields = field === undefined ? [] : [fieldError(field, message)];
  return refusal('failed_precondition', 'SECOND_PERSON_REQUIRED', message, { fields });
}
