import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkInstitutionId, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { policyAsker, showApprovalPolicy } from './policy-view.ts';

@Controller()
export class GetApprovalPolicyRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('PolicyService', 'getApprovalPolicy')
  async handle(
    { institutionId }: settlementV1.GetApprovalPolicyRequest,
    metadata: Metadata,
  ): Promise<settlementV1.ApprovalPolicy> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    refuseInvalid(checkInstitutionId('institution_id', institutionId));
    policyAsker(caller, institutionId);
    return showApprovalPolicy(this.#gateway, institutionId);
  }
}
