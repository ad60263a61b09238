import { fieldError, refusal, type Refusal } from '@finality/kernel';

/** Who has decided what takes two. */
export interface Deciders {
  /** API key that asked. */
  readonly by: string;
  /** The other person's, where it took one. */
  readonly confirmedBy?: string;
}

/** Whoever has proposed something doesn't confirm it, whatever it is. @returns SAME_PERSON */
export const samePersonRefusal = (proposedBy: string, by: string): Refusal | undefined =>
  proposedBy === by
    ? refusal('permission_denied', 'SAME_PERSON', 'expected another person than the one who proposed it')
    : undefined;

/** An operator alone may make what somebody may owe or pay less, and never more. @param field of the request, where it is one */
export function secondPersonRequired(field?: string): Refusal {
  const message = 'expected another operator’s word as well: propose it (ProposeChange), and have it confirmed';
  const fields = field === undefined ? [] : [fieldError(field, message)];
  return refusal('failed_precondition', 'SECOND_PERSON_REQUIRED', message, { fields });
}
