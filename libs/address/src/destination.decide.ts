import { accept, type Decision, fieldError, type Instant, refusal, refuse, type Refusal } from '@finality/kernel';
import type { SignedStatement } from '@finality/signing';
import type { Destination, DestinationEvent, DestinationState, KnownDestination } from './destination.ts';
import type { WalletState } from './wallet.ts';
import { unknownWallet, walletBlocked } from './wallet.errors.ts';

/** Of one institution, those that it was refused or has removed aside. */
export const DESTINATIONS_MAX = 1_000;

/** What is known of the place that a destination would have, and of what the institution has already. */
export interface DestinationFacts {
  /** Whose address it is, if this platform has issued it. Of addresses only. */
  readonly issuedTo?: string;
  /** Who has it as a destination that is neither removed nor rejected. */
  readonly listedBy?: string;
  /** An address of the institution that it could be taken for. */
  readonly looksLike?: string;
  /** The institution has asked for something with this nonce before. */
  readonly isReplayed: boolean;
  /** Destinations of the institution that are neither removed nor rejected. */
  readonly count: number;
}

/** Asked for: waits for a second person, or for a compliance officer first where it could be taken for another address. */
export function decideRequestDestination(
  destination: Destination,
  facts: DestinationFacts,
): Decision<DestinationEvent, Refusal> {
  const { institutionId, place, request, requestedAt: at } = destination;
  const { issuedTo, listedBy } = facts;
  const [field, name] =
    place.kind === 'script' ? ['address', place.address] : ['wallet_id', `wallet ${place.walletId}`];
  if ([issuedTo, listedBy].some((owner) => owner !== undefined && owner !== institutionId))
    return refused('already_exists', 'SCRIPT_OF_OTHER_INSTITUTION', 'the address is another institution’s', field);
  if (issuedTo !== undefined)
    return refused(
      'failed_precondition',
      'SCRIPT_OF_WALLET',
      `${name} belongs to a wallet here, which is paid at addresses that nobody else has`,
      field,
    );
  if (listedBy !== undefined)
    return refused('already_exists', 'DESTINATION_EXISTS', `${name} is a destination already`, field);
  if (facts.isReplayed)
    return refused(
      'failed_precondition',
      'SIGNATURE_REPLAYED',
      `the nonce "${request.nonce}" was used before`,
      'request.nonce',
    );
  if (facts.count >= DESTINATIONS_MAX)
    return refused('failed_precondition', 'TOO_MANY_DESTINATIONS', `expected at most ${DESTINATIONS_MAX} destinations`);
  const heldFor = facts.looksLike === undefined ? undefined : `begins and ends like ${facts.looksLike}, and is another`;
  return accept<DestinationEvent>({
    type: 'destination_requested',
    at,
    destination,
    ...(heldFor !== undefined && { heldFor }),
  });
}

/** Whether a wallet can be a destination: the signer pays the others by its own keys. */
export function walletPlaceRefusal(walletId: string, institutionId: string, state: WalletState): Refusal | undefined {
  if (state.status !== 'registered' || state.wallet.institutionId !== institutionId) return unknownWallet(walletId);
  if (state.blocked !== null) return walletBlocked(walletId, state.blocked);
  if (state.wallet.kind === 'non_custodial') return undefined;
  const message = `the signer has the keys of wallet ${walletId}, and pays it as it is`;
  return refusal('failed_precondition', 'WALLET_IS_CUSTODIAL', message, { fields: [fieldError('wallet_id', message)] });
}

/** A compliance officer's, on what is held. */
export function decideReviewDestination(
  destinationId: string,
  { decision, reason, by }: { readonly decision: 'approve' | 'reject'; readonly reason: string; readonly by: string },
  state: DestinationState,
  at: Instant,
): Decision<DestinationEvent, Refusal> {
  if (state.status === 'none') return refuse(unknownDestination(destinationId));
  if (state.status !== 'held') return notSo(state, 'held');
  return accept<DestinationEvent>({ type: 'destination_reviewed', at, decision, reason, by });
}

/** Whether this key of this institution may approve it. The signer judges the signatures. */
export function approvalRefusal(
  destinationId: string,
  { institutionId, by }: { readonly institutionId: string | undefined; readonly by: string },
  state: DestinationState,
): Refusal | undefined {
  if (state.status === 'none' || state.destination.institutionId !== institutionId)
    return unknownDestination(destinationId);
  if (state.status === 'held')
    return refusal(
      'failed_precondition',
      'DESTINATION_HELD',
      `destination ${destinationId} is under review: ${state.reason}`,
    );
  if (state.status !== 'pending') return notSo(state, 'pending').refused;
  if (state.destination.requestedBy !== by) return undefined;
  return refusal(
    'permission_denied',
    'APPROVED_BY_REQUESTER',
    'expected another API key to approve than the one that asked',
  );
}

export interface Approval {
  readonly institutionId: string | undefined;
  readonly by: string;
  readonly approval: SignedStatement;
  /** By the signer's clock. */
  readonly usableAt: Instant;
}

/** The signer has it. */
export function decideApproveDestination(
  destinationId: string,
  approval: Approval,
  state: DestinationState,
  at: Instant,
): Decision<DestinationEvent, Refusal> {
  const wrong = approvalRefusal(destinationId, approval, state);
  if (wrong) return refuse(wrong);
  return accept<DestinationEvent>({
    type: 'destination_approved',
    at,
    approval: approval.approval,
    by: approval.by,
    usableAt: approval.usableAt,
  });
}

/** The signer has removed it. */
export function decideRemoveDestination(
  destinationId: string,
  by: string,
  state: DestinationState,
  at: Instant,
): Decision<DestinationEvent, Refusal> {
  if (state.status === 'none') return refuse(unknownDestination(destinationId));
  return state.status === 'removed' ? accept() : accept<DestinationEvent>({ type: 'destination_removed', at, by });
}

export const unknownDestination = (destinationId: string): Refusal =>
  refusal('not_found', 'UNKNOWN_DESTINATION', `there is no destination ${destinationId}`, {
    fields: [fieldError('destination_id', 'expected one of the institution’s destinations')],
  });

const notSo = (state: KnownDestination, expected: string): { readonly kind: 'refused'; readonly refused: Refusal } =>
  refuse(
    refusal(
      'failed_precondition',
      'DESTINATION_STATUS',
      `expected a destination that is ${expected}, got one that is ${state.status}`,
    ),
  );

function refused(
  kind: Refusal['kind'],
  reason: string,
  message: string,
  field?: string,
): { readonly kind: 'refused'; readonly refused: Refusal } {
  return refuse(refusal(kind, reason, message, field === undefined ? {} : { fields: [fieldError(field, message)] }));
}
