import type { Metadata } from '@grpc/grpc-js';
import type { liquidityV1 } from '@finality/contracts';
import { requireInstitution, toRpcException } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkAmount, checkIdempotencyKey, checkInstitutionId, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { showLiquidity } from './liquidity-view.ts';

/** An institution, or an operator for it, wants to be told when its liquidity falls below a level. */
@Controller()
export class SetLiquidityAlertsRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('LiquidityService', 'setLiquidityAlerts')
  async handle(
    request: liquidityV1.SetLiquidityAlertsRequest,
    metadata: Metadata,
    call: object,
  ): Promise<liquidityV1.Liquidity> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator');
    const { institutionId, alerts, idempotencyKey } = request;
    refuseInvalid(
      checkIdempotencyKey(idempotencyKey),
      checkInstitutionId('institution_id', institutionId),
      alerts && checkAmount('warn_below_sats', alerts.warnBelowSats),
      alerts && checkAmount('critical_below_sats', alerts.criticalBelowSats),
    );
    if (!caller.roles.includes('operator')) {
      const own = requireInstitution(caller, institutionId);
      if (!own.ok) throw toRpcException(own.error);
    }
    const wanted = { institutionId, by: caller.keyId, ...(alerts !== undefined && { alerts }) };
    await this.#gateway.decide({ type: 'set_liquidity_alerts', request: wanted }, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'SetLiquidityAlerts',
      key: idempotencyKey,
      resourceId: institutionId,
      fields: {
        version: '1',
        institution_id: institutionId,
        warn_below_sats: alerts === undefined ? '' : `${alerts.warnBelowSats}`,
        critical_below_sats: alerts === undefined ? '' : `${alerts.criticalBelowSats}`,
      },
    });
    return showLiquidity(this.#gateway, institutionId);
  }
}
