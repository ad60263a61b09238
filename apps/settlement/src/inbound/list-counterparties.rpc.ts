import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkInstitutionId, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { policyAsker, showCounterparties } from './policy-view.ts';

/** Whom an institution may pay. */
@Controller()
export class ListCounterpartiesRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('PolicyService', 'listCounterparties')
  async handle(
    request: settlementV1.ListCounterpartiesRequest,
    metadata: Metadata,
  ): Promise<settlementV1.CounterpartyList> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    const { institutionId } = request;
    refuseInvalid(checkInstitutionId('institution_id', institutionId));
    policyAsker(caller, institutionId);
    return showCounterparties(this.#gateway, institutionId);
  }
}
