import type { ScriptHex } from '@finality/bitcoin';
import { fieldError, type Instant, refusal, type Refusal } from '@finality/kernel';

/** A single script outside, or a wallet here whose keys are the payee's own. */
export type DestinationPlace =
  | { readonly kind: 'script'; readonly script: ScriptHex; readonly address: string }
  | { readonly kind: 'wallet'; readonly walletId: string };

/** A destination as the owner of the list announced it last. What may be signed is for the signer, which has its own list. */
export interface DestinationRecord {
  readonly destinationId: string;
  readonly institutionId: string;
  readonly place: DestinationPlace;
  readonly status: 'held' | 'pending' | 'listed' | 'removed' | 'rejected';
  /** By the signer's clock; 0 unless it is listed. */
  readonly usableAt: Instant;
}

/** Why a settlement can't name it, for a payee of this id, now. */
export function destinationRefusal(
  destination: DestinationRecord | undefined,
  { destinationId, payeeInstitutionId }: { readonly destinationId: string; readonly payeeInstitutionId: string },
  now: Instant,
): Refusal | undefined {
  const because = (reason: string, message: string): Refusal =>
    refusal('failed_precondition', reason, message, { fields: [fieldError('destination_id', message)] });
  if (destination === undefined)
    return refusal('not_found', 'UNKNOWN_DESTINATION', `there is no destination ${destinationId}`, {
      fields: [fieldError('destination_id', 'expected a destination of the payee')],
    });
  if (destination.institutionId !== payeeInstitutionId)
    return because('DESTINATION_OF_OTHER_INSTITUTION', `expected a destination of ${payeeInstitutionId}`);
  switch (destination.status) {
    case 'held':
      return because('DESTINATION_HELD', 'the destination is held for review');
    case 'pending':
      return because('DESTINATION_PENDING', 'the destination waits for a second person’s approval');
    case 'removed':
    case 'rejected':
      return because('DESTINATION_REMOVED', `the destination was ${destination.status}`);
    case 'listed':
      if (now >= destination.usableAt) return undefined;
      return because('DESTINATION_COOLING', `the destination is usable in ${destination.usableAt - now} ms`);
  }
}
