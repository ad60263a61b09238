import type { institutionV1 } from '@finality/contracts';
import type { Principal } from '@finality/kernel';
import type { AskedChange } from './asked-change.ts';
import { checkInstitutionId, refuseInvalid } from './fields.ts';

/** @throws RefusalException */
export function askedUnfreezing(
  { institutionId, althoughOwing }: institutionV1.UnfreezeInstitution,
  { idempotencyKey, reason }: { readonly idempotencyKey: string; readonly reason: string },
  { keyId: by }: Principal,
): AskedChange {
  refuseInvalid(checkInstitutionId('institution_id', institutionId));
  const fields = { version: '1', institution_id: institutionId, although_owing: `${althoughOwing}`, reason };
  return {
    change: { type: 'unfreeze_institution', request: { institutionId, althoughOwing, reason, by } },
    claim: { rpc: 'UnfreezeInstitution', key: idempotencyKey, resourceId: institutionId, fields },
  };
}
