import type { Metadata } from '@grpc/grpc-js';
import type { liquidityV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkPledge, checkPledgedAmount, ownOnly, pledgeOf, showCollateral } from './collateral-view.ts';
import { checkIdempotencyKey, checkInstitutionId, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';

/** An institution puts something aside. */
@Controller()
export class PostCollateralRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('CollateralService', 'postCollateral')
  async handle(
    request: liquidityV1.PostCollateralRequest,
    metadata: Metadata,
    call: object,
  ): Promise<liquidityV1.Collateral> {
    const caller = await this.#gateway.caller(metadata, 'institution');
    const { institutionId, amountSats, idempotencyKey } = request;
    refuseInvalid(
      checkIdempotencyKey(idempotencyKey),
      checkInstitutionId('institution_id', institutionId),
      checkPledge(request.pledge),
      checkPledgedAmount(amountSats),
    );
    ownOnly(caller, institutionId);
    const pledge = pledgeOf(request.pledge)!;
    const pledgeId = this.#gateway.env.runtime.id();
    await this.#gateway.decide(
      { type: 'post_pledge', request: { pledgeId, institutionId, pledge, amountSats, by: caller.keyId } },
      this.#gateway.cause(caller, call),
      {
        principal: scopeOf(caller),
        rpc: 'PostCollateral',
        key: idempotencyKey,
        resourceId: institutionId,
        fields: { version: '1', institution_id: institutionId, pledge, amount_sats: `${amountSats}` },
      },
    );
    return showCollateral(this.#gateway, institutionId);
  }
}
