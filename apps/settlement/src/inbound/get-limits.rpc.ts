import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkInstitutionId, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { policyAsker, showLimits } from './policy-view.ts';

@Controller()
export class GetLimitsRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('PolicyService', 'getLimits')
  async handle(
    { institutionId }: settlementV1.GetLimitsRequest,
    metadata: Metadata,
  ): Promise<settlementV1.PaymentLimits> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    refuseInvalid(checkInstitutionId('institution_id', institutionId));
    policyAsker(caller, institutionId);
    return showLimits(this.#gateway, institutionId);
  }
}
