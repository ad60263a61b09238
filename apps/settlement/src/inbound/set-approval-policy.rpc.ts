import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { encodeJson, type FieldError, fieldError, MAX_MONEY_SATS, type Principal, sats } from '@finality/kernel';
import { APPROVALS_MAX, TIERS_MAX } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { type AskedChange, decideAlone } from './asked-change.ts';
import { checkIdempotencyKey, checkInstitutionId, checkReason, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { policyAsker, showApprovalPolicy } from './policy-view.ts';

/** An operator sets above what how many have to approve; the institution itself may ask for more. */
@Controller()
export class SetApprovalPolicyRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('PolicyService', 'setApprovalPolicy')
  async handle(
    request: settlementV1.SetApprovalPolicyRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.ApprovalPolicy> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator');
    await decideAlone(this.#gateway, askedApprovalPolicy(request, caller), caller, call);
    return showApprovalPolicy(this.#gateway, request.institutionId);
  }
}

/** @throws RefusalException */
export function askedApprovalPolicy(request: settlementV1.SetApprovalPolicyRequest, caller: Principal): AskedChange {
  const { institutionId, reason, idempotencyKey } = request;
  refuseInvalid(
    checkIdempotencyKey(idempotencyKey),
    checkInstitutionId('institution_id', institutionId),
    ...tierProblems(request.tiers),
    checkReason(reason, 1),
  );
  const tiers = request.tiers.map(({ aboveSats, approvals, signed }) => ({
    aboveSats: sats(aboveSats),
    approvals,
    areSigned: signed,
  }));
  const isOwn = policyAsker(caller, institutionId) === 'itself';
  const fields = { version: '1', institution_id: institutionId, tiers: encodeJson(tiers), reason };
  return {
    change: { type: 'set_approval_policy', request: { institutionId, tiers, reason, by: caller.keyId, isOwn } },
    claim: { rpc: 'SetApprovalPolicy', key: idempotencyKey, resourceId: institutionId, fields },
  };
}

function tierProblems(tiers: readonly settlementV1.ApprovalTier[]): readonly (FieldError | undefined)[] {
  if (tiers.length > TIERS_MAX) return [fieldError('tiers', `expected at most ${TIERS_MAX}, got ${tiers.length}`)];
  return tiers.flatMap(({ aboveSats, approvals }, i) => {
    const before = tiers[i - 1];
    const isAmount = aboveSats >= 0n && aboveSats < MAX_MONEY_SATS;
    const isCount = approvals >= 1 && approvals <= APPROVALS_MAX;
    const isMore = before === undefined || (aboveSats > before.aboveSats && approvals > before.approvals);
    return [
      isAmount
        ? undefined
        : fieldError(`tiers[${i}].above_sats`, `expected 0 to ${MAX_MONEY_SATS - 1n} sat, got ${aboveSats}`),
      isCount ? undefined : fieldError(`tiers[${i}].approvals`, `expected 1 to ${APPROVALS_MAX}, got ${approvals}`),
      isMore
        ? undefined
        : fieldError(`tiers[${i}]`, 'expected to be above more than the one before, and to ask for more'),
    ];
  });
}
