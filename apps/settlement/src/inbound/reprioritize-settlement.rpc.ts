import type { Metadata } from '@grpc/grpc-js';
import type { liquidityV1, settlementV1 } from '@finality/contracts';
import { fieldError } from '@finality/kernel';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkId, checkIdempotencyKey, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { parsePriority } from './submission.ts';

/** The payer, or an operator, wants a settlement that waits for liquidity to go before others, or after them. */
@Controller()
export class ReprioritizeSettlementRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('LiquidityService', 'reprioritizeSettlement')
  async handle(
    request: liquidityV1.ReprioritizeSettlementRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.Settlement> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator');
    const { settlementId, idempotencyKey } = request;
    const priority = request.priority === 0 ? undefined : parsePriority(request.priority);
    refuseInvalid(
      checkIdempotencyKey(idempotencyKey),
      checkId('settlement_id', settlementId),
      priority === undefined ? fieldError('priority', 'expected NORMAL, HIGH or URGENT, got none of them') : undefined,
    );
    return this.#gateway.decideSettlement(
      { type: 'reprioritize', settlementId, priority: priority!, caller },
      this.#gateway.cause(caller, call),
      {
        principal: scopeOf(caller),
        rpc: 'ReprioritizeSettlement',
        key: idempotencyKey,
        resourceId: settlementId,
        fields: { version: '1', settlement_id: settlementId, priority: priority! },
      },
    );
  }
}
