import type { KnownDestination } from '@finality/address';
import { addressV1, fromTimestamp, toTimestamp } from '@finality/contracts';
import { assertNever, type Instant } from '@finality/kernel';
import type { SignedStatement } from '@finality/signing';

const { DestinationStatus: Status } = addressV1;

/** With a time: as it is then (answers). Without: as it was when it changed (messages). */
export function destinationMessage(state: KnownDestination, now?: Instant): addressV1.Destination {
  const { destination, updatedAt } = state;
  const { destinationId, institutionId, place, label, requestedBy, requestedAt } = destination;
  return {
    destinationId,
    institutionId,
    address: place.kind === 'script' ? place.address : '',
    script: place.kind === 'script' ? place.script : '',
    walletId: place.kind === 'wallet' ? place.walletId : undefined,
    descriptor: place.kind === 'wallet' ? place.external : undefined,
    label,
    status: statusOf(state, now),
    reason: 'reason' in state ? state.reason : '',
    usableAt: state.status === 'listed' ? toTimestamp(state.usableAt) : undefined,
    requestedBy,
    approvedBy: state.status === 'listed' ? state.approvedBy : '',
    requestedAt: toTimestamp(requestedAt),
    updatedAt: toTimestamp(updatedAt),
  };
}

function statusOf(state: KnownDestination, now: Instant | undefined): addressV1.DestinationStatus {
  switch (state.status) {
    case 'held':
      return Status.DESTINATION_STATUS_HELD;
    case 'pending':
      return Status.DESTINATION_STATUS_PENDING;
    case 'listed':
      return now !== undefined && now >= state.usableAt
        ? Status.DESTINATION_STATUS_ACTIVE
        : Status.DESTINATION_STATUS_COOLING;
    case 'removed':
      return Status.DESTINATION_STATUS_REMOVED;
    case 'rejected':
      return Status.DESTINATION_STATUS_REJECTED;
    default:
      return assertNever(state, 'destination');
  }
}

/** Missing fields are the signer's to refuse. */
export function statementOf(statement: addressV1.StatementSignature | undefined): SignedStatement {
  const { signatory = '', nonce = '', validUntil, signature = '' } = statement ?? {};
  return { signatory, nonce, signature, validUntil: validUntil ? fromTimestamp(validUntil) : (0 as Instant) };
}
