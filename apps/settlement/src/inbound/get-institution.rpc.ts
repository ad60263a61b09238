import type { Metadata } from '@grpc/grpc-js';
import type { institutionV1 } from '@finality/contracts';
import { requireInstitution, toRpcException } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkInstitutionId, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { showInstitution } from './institution-view.ts';

@Controller()
export class GetInstitutionRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('InstitutionService', 'getInstitution')
  async handle(
    { institutionId }: institutionV1.GetInstitutionRequest,
    metadata: Metadata,
  ): Promise<institutionV1.Institution> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    refuseInvalid(checkInstitutionId('institution_id', institutionId));
    if (caller.roles.every((role) => role === 'institution')) {
      const own = requireInstitution(caller, institutionId);
      if (!own.ok) throw toRpcException(own.error);
    }
    return showInstitution(this.#gateway, institutionId);
  }
}
