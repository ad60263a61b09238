import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { assert } from '@finality/kernel';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkCounterpartyId, checkIdempotencyKey, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';

@Controller()
export class EndBilateralNettingRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('WindowService', 'endBilateralNetting')
  async handle(
    request: settlementV1.EndBilateralNettingRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.EndBilateralNettingResponse> {
    const caller = await this.#gateway.caller(metadata, 'institution');
    const { institutionId } = caller;
    assert(institutionId !== undefined, 'a key of an institution says which');
    const { counterpartyId, idempotencyKey } = request;
    refuseInvalid(checkIdempotencyKey(idempotencyKey), checkCounterpartyId(counterpartyId, institutionId));
    await this.#gateway.decide(
      { type: 'end_netting', request: { institutionId, counterpartyId } },
      this.#gateway.cause(caller, call),
      {
        principal: scopeOf(caller),
        rpc: 'EndBilateralNetting',
        key: idempotencyKey,
        resourceId: counterpartyId,
        fields: { version: '1', counterparty_id: counterpartyId },
      },
    );
    return {};
  }
}
