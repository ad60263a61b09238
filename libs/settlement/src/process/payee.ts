import { assert, err, fieldError, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import type { Claim } from '@finality/ledger';
import type { Book } from '../book.ts';
import { type DestinationRecord, destinationRefusal } from '../destination.ts';
import type { OnChainPayee } from '../lineage.ts';
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
  return err(refusals[0] ?? notPayable(to, 'to_institution'));
}

/** Where an institution wants its own money paid to. */
export type OwnPlace =
  | { readonly kind: 'wallet'; readonly walletId: string }
  | { readonly kind: 'destination'; readonly destinationId: string };

/** What pays the institution itself there: a wallet of its own, which is on the signer's list where its keys are its own, or a destination that may be paid by now. */
export function ownPayee(book: Book, institutionId: string, place: OwnPlace): Result<OnChainPayee, Refusal> {
  if (place.kind === 'destination') return named(book, institutionId, place.destinationId);
  const { walletId } = place;
  const wallet = book.wallet(walletId);
  if (wallet?.institutionId !== institutionId) {
    const message = `expected a wallet of ${institutionId}, got "${walletId}"`;
    return err(refusal('not_found', 'UNKNOWN_WALLET', message, { fields: [fieldError('wallet_id', message)] }));
  }
  if (wallet.custodial) return ok({ kind: 'wallet', walletId });
  const listing = book.listingOf(walletId);
  if (listing === undefined) return err(notPayable(institutionId, 'wallet_id'));
  return payeeAt(book, institutionId, listing.destinationId, listing);
}

function needsListing(book: Book, payer: Claim, payee: Claim): boolean {
  if (payer.kind !== 'wallet' || payee.kind !== 'wallet') return false;
  return knownWallet(book, payer.walletId).custodial && !knownWallet(book, payee.walletId).custodial;
}

const named = (book: Book, to: string, destinationId: string): Result<OnChainPayee, Refusal> =>
  payeeAt(book, to, destinationId, book.destination(destinationId));

function payeeAt(
  book: Book,
  to: string,
  destinationId: string,
  destination: DestinationRecord | undefined,
): Result<OnChainPayee, Refusal> {
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

function notPayable(to: string, field: 'to_institution' | 'wallet_id'): Refusal {
  const message =
    `the keys of ${to}’s wallets are its own, and none is on the signer’s list: expected it to register one as a destination ` +
    '(RegisterDestination with its wallet_id), or a custodial wallet';
  return refusal('failed_precondition', 'PAYEE_NOT_PAYABLE', message, {
    fields: [fieldError(field, message)],
  });
}
