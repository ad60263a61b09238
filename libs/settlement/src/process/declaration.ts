import { err, fieldError, invalid, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import { BTC, type Unit } from '@finality/ledger';
import type { Book } from '../book.ts';
import type { KnownDefault } from '../default.ts';
import { openDefault, unpaidNow } from './collection.ts';
import type { Overdue } from './defaults.ts';
import { countedIn } from './incidents.ts';
import { unknownInstitution } from './institutions.ts';
import { type Deciders, secondPersonRequired } from './second-person.ts';

export interface DefaultDeclaration extends Deciders {
  readonly institutionId: string;
  /** Another one than BTC. */
  readonly unit: Unit;
  readonly reason: string;
}

/**
 * Two persons say that what was due in another unit than BTC hasn't been paid, and won't be: from here on it is a default as in BTC, closed out by the same
 * waterfall in that unit alone (ADR 30).
 * @returns INVALID_ARGUMENT, UNKNOWN_INSTITUTION, RECOVERING, DEFAULT_OPEN, NOTHING_OVERDUE, GRACE_NOT_OVER, SECOND_PERSON_REQUIRED
 */
export function declareOverdue(book: Book, request: DefaultDeclaration): Result<KnownDefault, Refusal> {
  const found = declarable(book, request);
  if (!found.ok) return found;
  const { institutionId, by, confirmedBy } = request;
  if (confirmedBy === undefined) return err(secondPersonRequired('unit'));
  const state = book.defaults.get(openDefault(book, institutionId, found.value, { by, confirmedBy }));
  if (state.status === 'none') throw new Error('recorded a moment ago, and not there');
  return ok(state);
}

/** Why it can't be declared now, whoever confirms it. */
export function declarationRefusal(book: Book, request: DefaultDeclaration): Refusal | undefined {
  const found = declarable(book, request);
  return found.ok ? undefined : found.error;
}

/** The oldest debt in the unit that isn't paid, and whose time and grace are over. */
function declarable(book: Book, { institutionId, unit }: DefaultDeclaration): Result<Overdue, Refusal> {
  if (unit === BTC)
    return err(invalid(fieldError('unit', 'expected another unit than BTC: there a default is declared by its time')));
  if (book.institutions.get(institutionId).status === 'none') return err(unknownInstitution(institutionId));
  if (book.recovery.get().status !== 'normal')
    return failed('RECOVERING', 'what has been paid isn’t known for sure before the store is restored', true);
  const credit = book.credits.get(institutionId);
  const { obligations, overdue, open } = credit.status === 'none' ? NOTHING : credit;
  if (open !== undefined) return failed('DEFAULT_OPEN', 'its default isn’t closed yet', true);
  const owed = [...overdue, ...obligations]
    .filter((each) => each.unit === unit && each.dueAt <= book.now)
    .map((obligation) => ({ obligation, unpaid: unpaidNow(book, institutionId, obligation) }))
    .filter(({ unpaid }) => unpaid > 0n);
  const [first] = owed;
  if (first === undefined)
    return failed('NOTHING_OVERDUE', `expected something in ${unit} that was due and isn’t paid, got nothing`);
  const over = owed.find(({ obligation }) => (obligation.graceUntil ?? obligation.dueAt) <= book.now);
  if (over !== undefined) return ok(over);
  const until = first.obligation.graceUntil;
  return failed(
    'GRACE_NOT_OVER',
    `expected ${countedIn(first.unpaid, unit)} to be paid until ${until}, or later`,
    true,
  );
}

const NOTHING = { obligations: [], overdue: [], open: undefined } as const;

function failed(reason: string, message: string, retryable = false): Result<never, Refusal> {
  return err(refusal('failed_precondition', reason, message, { retryable, fields: [fieldError('unit', message)] }));
}
