import type { Metadata } from '@grpc/grpc-js';
import type { liquidityV1 } from '@finality/contracts';
import { requireInstitution, toRpcException } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkInstitutionId, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { showLiquidity } from './liquidity-view.ts';

/** What an institution can pay with, for itself and for those who run the platform. */
@Controller()
export class GetLiquidityRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('LiquidityService', 'getLiquidity')
  async handle({ institutionId }: liquidityV1.GetLiquidityRequest, metadata: Metadata): Promise<liquidityV1.Liquidity> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    refuseInvalid(checkInstitutionId('institution_id', institutionId));
    if (caller.roles.every((role) => role === 'institution')) {
      const own = requireInstitution(caller, institutionId);
      if (!own.ok) throw toRpcException(own.error);
    }
    return showLiquidity(this.#gateway, institutionId);
  }
}
