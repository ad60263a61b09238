import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import type { Principal } from '@finality/kernel';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { type AskedChange, decideAlone } from './asked-change.ts';
import { checkIdempotencyKey, checkInstitutionId, checkReason, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { policyAsker, showCounterparties } from './policy-view.ts';

/** Whether an institution pays anyone, or only those on its list. */
@Controller()
export class RestrictCounterpartiesRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('PolicyService', 'restrictCounterparties')
  async handle(
    request: settlementV1.RestrictCounterpartiesRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.CounterpartyList> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator');
    await decideAlone(this.#gateway, askedRestriction(request, caller), caller, call);
    return showCounterparties(this.#gateway, request.institutionId);
  }
}

/** @throws RefusalException */
export function askedRestriction(request: settlementV1.RestrictCounterpartiesRequest, caller: Principal): AskedChange {
  const { institutionId, restricted: isRestricted, reason, idempotencyKey } = request;
  refuseInvalid(
    checkIdempotencyKey(idempotencyKey),
    checkInstitutionId('institution_id', institutionId),
    checkReason(reason, 1),
  );
  const isOwn = policyAsker(caller, institutionId) === 'itself';
  const fields = { version: '1', institution_id: institutionId, restricted: `${isRestricted}`, reason };
  return {
    change: {
      type: 'restrict_counterparties',
      request: { institutionId, isRestricted, reason, by: caller.keyId, isOwn },
    },
    claim: { rpc: 'RestrictCounterparties', key: idempotencyKey, resourceId: institutionId, fields },
  };
}
