import type { Metadata } from '@grpc/grpc-js';
import { liquidityV1 } from '@finality/contracts';
import { type Principal, refusal, unwrap } from '@finality/kernel';
import { toRpcException } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { type AskedChange, decideAlone } from './asked-change.ts';
import { checkPledge, ownOnly, parsePledged, pledgeOf, showCollateral } from './collateral-view.ts';
import { checkIdempotencyKey, checkInstitutionId, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';

/** What nothing owed depends on is given back. */
@Controller()
export class ReleaseCollateralRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('CollateralService', 'releaseCollateral')
  async handle(
    request: liquidityV1.ReleaseCollateralRequest,
    metadata: Metadata,
    call: object,
  ): Promise<liquidityV1.Collateral> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator');
    const asked = askedRelease(request, caller, this.#gateway.env.runtime.id());
    await decideAlone(this.#gateway, asked, caller, call);
    return showCollateral(this.#gateway, request.institutionId);
  }
}

/** @param pledgeId what its transfer is to be called @throws RefusalException */
export function askedRelease(
  request: liquidityV1.ReleaseCollateralRequest,
  caller: Principal,
  pledgeId: string,
): AskedChange {
  const { institutionId, idempotencyKey } = request;
  const parsed = parsePledged(request);
  refuseInvalid(
    checkIdempotencyKey(idempotencyKey),
    checkInstitutionId('institution_id', institutionId),
    checkPledge(request.pledge),
    parsed.ok ? undefined : parsed.error,
  );
  ownOnly(caller, institutionId);
  if (request.pledge === liquidityV1.Pledge.PLEDGE_DEFAULT_FUND && !caller.roles.includes('operator')) {
    const message = 'others rest on what is contributed to the default fund: ask an operator';
    throw toRpcException(refusal('permission_denied', 'OPERATOR_REQUIRED', message));
  }
  const pledge = pledgeOf(request.pledge)!;
  const { unit, amount } = unwrap(parsed);
  const fields = { version: '1', institution_id: institutionId, pledge, unit, amount: `${amount}` };
  return {
    change: { type: 'release_pledge', request: { pledgeId, institutionId, pledge, unit, amount, by: caller.keyId } },
    claim: { rpc: 'ReleaseCollateral', key: idempotencyKey, resourceId: institutionId, fields },
  };
}
