import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { assert } from '@finality/kernel';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkCounterpartyId, checkIdempotencyKey, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { showPair } from './window-view.ts';

/** One of two speaks for itself; with both, they net apart. */
@Controller()
export class AgreeBilateralNettingRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('WindowService', 'agreeBilateralNetting')
  async handle(
    request: settlementV1.AgreeBilateralNettingRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.NettingPair> {
    const caller = await this.#gateway.caller(metadata, 'institution');
    const { institutionId } = caller;
    assert(institutionId !== undefined, 'a key of an institution says which');
    const { counterpartyId, idempotencyKey } = request;
    refuseInvalid(checkIdempotencyKey(idempotencyKey), checkCounterpartyId(counterpartyId, institutionId));
    const windowId = this.#gateway.env.runtime.id();
    await this.#gateway.decide(
      { type: 'agree_netting', request: { institutionId, counterpartyId }, windowId },
      this.#gateway.cause(caller, call),
      {
        principal: scopeOf(caller),
        rpc: 'AgreeBilateralNetting',
        key: idempotencyKey,
        resourceId: counterpartyId,
        fields: { version: '1', counterparty_id: counterpartyId },
      },
    );
    return showPair(this.#gateway, institutionId, counterpartyId);
  }
}
