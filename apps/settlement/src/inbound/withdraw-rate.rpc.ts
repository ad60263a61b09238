import type { Metadata } from '@grpc/grpc-js';
import type { exchangeV1 } from '@finality/contracts';
import { invalid } from '@finality/kernel';
import { toRpcException } from '@finality/service';
import { rateIdOf } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkIdempotencyKey, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { parseUnitField } from './money.ts';
import { checkMaker, requireMaker, showRate } from './rate-view.ts';

@Controller()
export class WithdrawRateRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('ExchangeService', 'withdrawRate')
  async handle(request: exchangeV1.WithdrawRateRequest, metadata: Metadata, call: object): Promise<exchangeV1.Rate> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator');
    const { idempotencyKey, makerInstitution: makerId, baseUnit, counterUnit } = request;
    const [base, counter] = [parseUnitField(baseUnit, 'base_unit'), parseUnitField(counterUnit, 'counter_unit')];
    refuseInvalid(
      checkIdempotencyKey(idempotencyKey),
      checkMaker(makerId),
      base.ok ? undefined : base.error,
      counter.ok ? undefined : counter.error,
    );
    if (!base.ok || !counter.ok) throw toRpcException(invalid());
    requireMaker(caller, makerId);
    const rateId = rateIdOf(makerId, base.value, counter.value);
    const command = { type: 'withdraw_rate', rateId, by: caller.keyId } as const;
    await this.#gateway.decide(command, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'WithdrawRate',
      key: idempotencyKey,
      resourceId: rateId,
      fields: { version: '1', rate: rateId },
    });
    return showRate(this.#gateway, rateId);
  }
}
