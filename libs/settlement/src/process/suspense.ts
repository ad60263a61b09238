import { err, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import type { Book } from '../book.ts';
import { type Beneficiary, known, type KnownDeposit } from '../deposit.ts';
import { PLATFORM_INSTITUTION_ID } from '../institution.ts';
import { depositAttributed } from '../postings/deposit.ts';
import { mustPost } from '../postings/post.ts';
import { decideDeposit } from './deposits.ts';
import { depthOf } from './finality.ts';
import { secondStepRefusal, stepRefusal } from './second-person.ts';

/** A newly mined coin can't be spent in a block before (Bitcoin's consensus). */
export const COINBASE_MATURITY = 100;

/** Whose a deposit in suspense is, as somebody has found out. */
export interface ResolutionRequest {
  readonly outpoint: string;
  readonly institutionId: string;
  /** API key id. */
  readonly by: string;
  readonly reason: string;
  /** Where it can be looked up: a case, a letter, a ticket. */
  readonly evidence: string;
}

/** The second person's. */
export type ResolutionConfirmation = Pick<ResolutionRequest, 'outpoint' | 'by' | 'reason'>;

/**
 * A deposit in suspense is to be an institution's. Said again, or otherwise, it takes the place of what nobody has confirmed.
 * @returns the deposit; or UNKNOWN_DEPOSIT, NOT_IN_SUSPENSE, NOT_CONFIRMED, IMMATURE, COIN_SPENT, UNKNOWN_INSTITUTION, NOT_THEIR_WALLET, KEY_TOO_NEW
 */
export function proposeResolution(book: Book, request: ResolutionRequest): Result<KnownDeposit, Refusal> {
  const { outpoint, institutionId, by: proposedBy, reason, evidence } = request;
  const tooNew = stepRefusal(book, proposedBy);
  if (tooNew !== undefined) return err(tooNew);
  const found = attributable(book, outpoint, institutionId);
  if (!found.ok) return found;
  const resolution = { institutionId, proposedBy, reason, evidence };
  return ok(known(book.deposits.record(outpoint, { type: 'resolution_proposed', at: book.now, resolution })));
}

/**
 * Another person agrees: from suspense to its way in, and to the balance as soon as it is final and screened, as any deposit.
 * @returns as {@link proposeResolution}; or NO_RESOLUTION_PROPOSED, SAME_PERSON
 */
export function confirmResolution(
  book: Book,
  { outpoint, by, reason }: ResolutionConfirmation,
): Result<KnownDeposit, Refusal> {
  const deposit = book.deposits.get(outpoint);
  const resolution = deposit.status === 'none' ? undefined : deposit.resolution;
  if (resolution?.confirmedBy !== undefined) return ok(known(deposit));
  const found = attributable(book, outpoint, resolution?.institutionId);
  if (!found.ok) return found;
  if (resolution === undefined) return refused('NO_RESOLUTION_PROPOSED', `nobody has said whose ${outpoint} is`);
  const same = secondStepRefusal(book, resolution.proposedBy, by);
  if (same !== undefined) return err(same);
  const { beneficiary } = found.value;
  mustPost(book.ledger, depositAttributed(known(deposit), beneficiary!));
  book.deposits.record(outpoint, { type: 'resolution_confirmed', at: book.now, by, reason, beneficiary: beneficiary! });
  decideDeposit(book, outpoint);
  return ok(known(book.deposits.get(outpoint)));
}

/** @param institutionId missing where nobody has named one */
function attributable(
  book: Book,
  outpoint: string,
  institutionId: string | undefined,
): Result<{ readonly beneficiary?: Beneficiary }, Refusal> {
  const deposit = book.deposits.get(outpoint);
  if (deposit.status === 'none') return err(refusal('not_found', 'UNKNOWN_DEPOSIT', `no deposit ${outpoint}`));
  const { beneficiary, terms } = deposit;
  if (beneficiary.kind !== 'suspense')
    return refused('NOT_IN_SUSPENSE', `${outpoint} is ${beneficiary.institutionId}’s`);
  if (deposit.status !== 'confirmed')
    return refused('NOT_CONFIRMED', `expected a deposit in a block, got one that is ${deposit.status}`);
  const depth = depthOf(book, deposit.block);
  if (terms.coinbase && depth < COINBASE_MATURITY)
    return refused('IMMATURE', `expected a coinbase ${COINBASE_MATURITY} blocks deep, got ${depth}`);
  const { spentBy } = book.coins.get(terms.outpoint);
  // What has become of it stands in suspense as well: both together are what has to be looked at.
  if (spentBy !== undefined) return refused('COIN_SPENT', `${outpoint} is spent by ${spentBy}`);
  return institutionId === undefined ? ok({}) : beneficiaryIn(book, terms.walletId, institutionId);
}

/** Coins of the pool back anybody's clearing balance; those of an institution's wallet nothing but its own claim (DESIGN 6). */
function beneficiaryIn(
  book: Book,
  walletId: string,
  institutionId: string,
): Result<{ readonly beneficiary: Beneficiary }, Refusal> {
  if (book.institutions.get(institutionId).status === 'none')
    return err(refusal('not_found', 'UNKNOWN_INSTITUTION', `there is no institution ${institutionId}`));
  const owner = book.wallet(walletId)?.institutionId;
  if (owner === PLATFORM_INSTITUTION_ID)
    return ok({ beneficiary: { kind: 'institution', institutionId, claim: { kind: 'clearing', institutionId } } });
  if (owner === institutionId)
    return ok({ beneficiary: { kind: 'institution', institutionId, claim: { kind: 'wallet', walletId } } });
  return refused('NOT_THEIR_WALLET', `it is on wallet ${walletId} of ${owner ?? 'nobody known'}`);
}

const refused = (reason: string, message: string): Result<never, Refusal> =>
  err(refusal('failed_precondition', reason, message));
