import { assert, err, fieldError, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import type { Claim } from '@finality/ledger';
import type { Book } from '../book.ts';
import { type DestinationRecord, destinationRefusal } from '../destination.ts';
import type { Payee } from '../settlement.ts';
import { knownWallet } from './choose-coins.ts';
import type { Submission } from './submit.ts';

/**
 * Where a settlement pays its payee: the destination that it names, else the payee's own claim. The signer pays accounts of its own, and what
 * is in its registry: of a wallet whose keys are the payee's it must be told by two signatories of the payee first.
 * @param own the payee's claim, as payers without a signer of ours pay it
 */
export function payeeOf(
  book: Book,
  { to, destinationId }: Pick<Submission, 'to' | 'destinationId'>,
  payer: Claim,
  own: () => Result<Claim, Refusal>,
): Result<Payee, Refusal> {
  if (destinationId !== undefined) return named(book, to, destinationId);
  const claim = own();
  if (!claim.ok || !needsListing(book, payer, claim.value)) return claim;
  const listings = book.walletsOf(to).flatMap(({ walletId }) => book.listingOf(walletId) ?? []);
  const refusals: Refusal[] = [];
  for (const listing of listings) {
    const payee = payeeAt(book, to, listing.destinationId, listing);
    if (payee.ok) return payee;
    refusals.push(payee.error);
  }
  return err(refusals[0] ?? notPayable(to));
}

function needsListing(book: Book, payer: Claim, payee: Claim): boolean {
  if (payer.kind !== 'wallet' || payee.kind !== 'wallet') return false;
  return knownWallet(book, payer.walletId).custodial && !knownWallet(book, payee.walletId).custodial;
}

const named = (book: Book, to: string, destinationId: string): Result<Payee, Refusal> =>
  payeeAt(book, to, destinationId, book.destination(destinationId));

function payeeAt(
  book: Book,
  to: string,
  destinationId: string,
  destination: DestinationRecord | undefined,
): Result<Payee, Refusal> {
  const refused = destinationRefusal(destination, { destinationId, payeeInstitutionId: to }, book.now);
  if (refused) return err(refused);
  assert(destination !== undefined, 'a destination that isn’t refused is known');
  const { place } = destination;
  if (place.kind === 'script')
    return ok({ kind: 'destination', destinationId, script: place.script, address: place.address });
  const { walletId } = place;
  if (book.wallet(walletId) !== undefined) return ok({ kind: 'wallet', walletId, destinationId });
  const message = `wallet ${walletId} of ${to} is not known here yet: try again`;
  return err(refusal('unavailable', 'WALLET_NOT_KNOWN', message, { retryable: true }));
}

function notPayable(to: string): Refusal {
  const message =
    `the keys of ${to}’s wallets are its own, and none is on the signer’s list: expected it to register one as a destination ` +
    '(RegisterDestination with its wallet_id), or a custodial wallet';
  return refusal('failed_precondition', 'PAYEE_NOT_PAYABLE', message, {
    fields: [fieldError('to_institution', message)],
  });
}
