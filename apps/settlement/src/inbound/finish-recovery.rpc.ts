import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkIdempotencyKey, checkReason, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { recoveryNow } from './recovery-view.ts';

/** An operator takes the responsibility for what differs: paying goes on. */
@Controller()
export class FinishRecoveryRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('OperationsService', 'finishRecovery')
  async handle(
    { idempotencyKey, reason }: settlementV1.FinishRecoveryRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.Recovery> {
    const caller = await this.#gateway.caller(metadata, 'operator');
    refuseInvalid(checkIdempotencyKey(idempotencyKey), checkReason(reason, 1));
    await this.#gateway.decide({ type: 'finish_recovery', reason, caller }, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'FinishRecovery',
      key: idempotencyKey,
      resourceId: 'recovery',
      fields: { version: '1', reason },
    });
    return recoveryNow(this.#gateway.reader);
  }
}
