import type { Metadata } from '@grpc/grpc-js';
import type { liquidityV1 } from '@finality/contracts';
import { unwrap } from '@finality/kernel';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkPledge, ownOnly, parsePledged, pledgeOf, showCollateral } from './collateral-view.ts';
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
    const { institutionId, idempotencyKey } = request;
    const parsed = parsePledged(request);
    refuseInvalid(
      checkIdempotencyKey(idempotencyKey),
      checkInstitutionId('institution_id', institutionId),
      checkPledge(request.pledge),
      parsed.ok ? undefined : parsed.error,
    );
    ownOnly(caller, institutionId);
    const pledge = pledgeOf(request.pledge)!;
    const { unit, amount } = unwrap(parsed);
    const pledgeId = this.#gateway.env.runtime.id();
    await this.#gateway.decide(
      { type: 'post_pledge', request: { pledgeId, institutionId, pledge, unit, amount, by: caller.keyId } },
      this.#gateway.cause(caller, call),
      {
        principal: scopeOf(caller),
        rpc: 'PostCollateral',
        key: idempotencyKey,
        resourceId: institutionId,
        fields: { version: '1', institution_id: institutionId, pledge, unit, amount: `${amount}` },
      },
    );
    return showCollateral(this.#gateway, institutionId);
  }
}
