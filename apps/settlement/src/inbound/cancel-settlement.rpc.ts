import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkId, checkIdempotencyKey, checkReason, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';

/** The payer takes it back, or an operator does; once a transaction pays it, by another that leaves it out. */
@Controller()
export class CancelSettlementRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('SettlementService', 'cancelSettlement')
  async handle(
    request: settlementV1.CancelSettlementRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.Settlement> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator');
    const { settlementId, reason, idempotencyKey } = request;
    refuseInvalid(checkIdempotencyKey(idempotencyKey), checkId('settlement_id', settlementId), checkReason(reason));
    return this.#gateway.decideSettlement(
      { type: 'cancel', settlementId, reason, caller },
      this.#gateway.cause(caller, call),
      {
        principal: scopeOf(caller),
        rpc: 'CancelSettlement',
        key: idempotencyKey,
        resourceId: settlementId,
        fields: { version: '1', settlement_id: settlementId, reason },
      },
    );
  }
}
