import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkIdempotencyKey, checkReason, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { checkLineageId, lockedCoinsOf } from './locked-coins-view.ts';

/** An operator wants coins that a lineage keeps for nothing to be free; another one has to agree. */
@Controller()
export class ReleaseCoinsRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('OperationsService', 'releaseCoins')
  async handle(
    { idempotencyKey, lineageId, reason }: settlementV1.ReleaseCoinsRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.LockedCoins> {
    const caller = await this.#gateway.caller(metadata, 'operator');
    refuseInvalid(checkIdempotencyKey(idempotencyKey), checkLineageId(lineageId), checkReason(reason, 1));
    const request = { lineageId, by: caller.keyId, reason };
    await this.#gateway.decide({ type: 'release_coins', request }, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'ReleaseCoins',
      key: idempotencyKey,
      resourceId: lineageId,
      fields: { version: '1', lineage_id: lineageId, reason },
    });
    return lockedCoinsOf(this.#gateway, lineageId);
  }
}
