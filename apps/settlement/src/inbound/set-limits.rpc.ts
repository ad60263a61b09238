import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { encodeJson, type Principal } from '@finality/kernel';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { type AskedChange, decideAlone } from './asked-change.ts';
import { checkIdempotencyKey, checkInstitutionId, checkReason, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { limitsProblems, parseLimits } from './limits-view.ts';
import { policyAsker, showLimits } from './policy-view.ts';

/** An operator sets an institution's limits; the institution itself may make them tighter. */
@Controller()
export class SetLimitsRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('PolicyService', 'setLimits')
  async handle(
    request: settlementV1.SetLimitsRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.PaymentLimits> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator');
    await decideAlone(this.#gateway, askedLimits(request, caller), caller, call);
    return showLimits(this.#gateway, request.institutionId);
  }
}

/** @throws RefusalException */
export function askedLimits(request: settlementV1.SetLimitsRequest, caller: Principal): AskedChange {
  const { institutionId, reason, idempotencyKey } = request;
  refuseInvalid(
    checkIdempotencyKey(idempotencyKey),
    checkInstitutionId('institution_id', institutionId),
    ...limitsProblems(request),
    checkReason(reason, 1),
  );
  const limits = parseLimits(request);
  const isOwn = policyAsker(caller, institutionId) === 'itself';
  const fields = { version: '1', institution_id: institutionId, limits: encodeJson(limits), reason };
  return {
    change: { type: 'set_limits', request: { institutionId, limits, reason, by: caller.keyId, isOwn } },
    claim: { rpc: 'SetLimits', key: idempotencyKey, resourceId: institutionId, fields },
  };
}
