import type { Metadata } from '@grpc/grpc-js';
import type { liquidityV1 } from '@finality/contracts';
import { type FieldError, fieldError, MAX_MONEY_SATS } from '@finality/kernel';
import { BTC, TRANSFER_AMOUNT_MAX } from '@finality/ledger';
import { requireInstitution, toRpcException } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkIdempotencyKey, checkInstitutionId, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { showLiquidity } from './liquidity-view.ts';
import { parseUnitField } from './money.ts';

/** An institution, or an operator for it, wants to be told when its liquidity in a unit falls below a level. */
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
    const parsed = parseUnitField(request.unit === '' ? BTC : request.unit, 'unit');
    const unit = parsed.ok ? parsed.value : BTC;
    const levelMax = unit === BTC ? MAX_MONEY_SATS : TRANSFER_AMOUNT_MAX;
    refuseInvalid(
      parsed.ok ? undefined : parsed.error,
      checkIdempotencyKey(idempotencyKey),
      checkInstitutionId('institution_id', institutionId),
      alerts && checkLevel('alerts.warn_below', alerts.warnBelow, levelMax),
      alerts && checkLevel('alerts.critical_below', alerts.criticalBelow, levelMax),
    );
    if (!caller.roles.includes('operator')) {
      const own = requireInstitution(caller, institutionId);
      if (!own.ok) throw toRpcException(own.error);
    }
    const wanted = { institutionId, unit, by: caller.keyId, ...(alerts !== undefined && { alerts }) };
    await this.#gateway.decide({ type: 'set_liquidity_alerts', request: wanted }, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'SetLiquidityAlerts',
      key: idempotencyKey,
      resourceId: institutionId,
      fields: {
        version: '1',
        institution_id: institutionId,
        unit,
        warn_below: alerts === undefined ? '' : `${alerts.warnBelow}`,
        critical_below: alerts === undefined ? '' : `${alerts.criticalBelow}`,
      },
    });
    return showLiquidity(this.#gateway, institutionId);
  }
}

function checkLevel(field: string, level: bigint, max: bigint): FieldError | undefined {
  return level >= 0n && level <= max ? undefined : fieldError(field, `expected 0 to ${max}, got ${level}`);
}
