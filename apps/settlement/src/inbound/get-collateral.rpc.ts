import type { Metadata } from '@grpc/grpc-js';
import type { liquidityV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { ownOnly, showCollateral } from './collateral-view.ts';
import { checkInstitutionId, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';

/** What an institution has put aside, for itself and for those who run the platform. */
@Controller()
export class GetCollateralRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('CollateralService', 'getCollateral')
  async handle(
    { institutionId }: liquidityV1.GetCollateralRequest,
    metadata: Metadata,
  ): Promise<liquidityV1.Collateral> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    refuseInvalid(checkInstitutionId('institution_id', institutionId));
    ownOnly(caller, institutionId);
    return showCollateral(this.#gateway, institutionId);
  }
}
