import type { liquidityV1 } from '@finality/contracts';
import { type Principal, unwrap } from '@finality/kernel';
import type { AskedChange } from './asked-change.ts';
import { checkInstitutionId, refuseInvalid } from './fields.ts';
import { parseUnitField } from './money.ts';

/** @throws RefusalException */
export function askedDeclaration(
  { institutionId, unit: code }: liquidityV1.DeclareDefault,
  { idempotencyKey, reason }: { readonly idempotencyKey: string; readonly reason: string },
  { keyId: by }: Principal,
): AskedChange {
  const parsed = parseUnitField(code, 'unit');
  refuseInvalid(checkInstitutionId('institution_id', institutionId), parsed.ok ? undefined : parsed.error);
  const unit = unwrap(parsed);
  const fields = { version: '1', institution_id: institutionId, unit, reason };
  return {
    change: { type: 'declare_default', request: { institutionId, unit, reason, by } },
    claim: { rpc: 'DeclareDefault', key: idempotencyKey, resourceId: institutionId, fields },
  };
}
