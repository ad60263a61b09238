import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { known } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { depositMessage } from '../store/messages.ts';
import { depositStream } from '../store/streams.ts';
import { checkIdempotencyKey, checkReason, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { checkDecision, decisionOf } from './review-decision.ts';
import { checkOutpoint } from './suspense-view.ts';

/** A compliance officer's decision on a deposit that screening holds. */
@Controller()
export class ReviewDepositRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('SettlementService', 'reviewDeposit')
  async handle(
    request: settlementV1.ReviewDepositRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.DepositChanged> {
    const caller = await this.#gateway.caller(metadata, 'compliance');
    const { outpoint, reason, idempotencyKey } = request;
    refuseInvalid(
      checkIdempotencyKey(idempotencyKey),
      checkOutpoint(outpoint),
      checkDecision(request.decision),
      checkReason(reason, 1),
    );
    const decision = decisionOf(request.decision);
    const review = { outpoint, decision, reason, reviewer: caller.keyId };
    await this.#gateway.decide({ type: 'review_deposit', review }, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'ReviewDeposit',
      key: idempotencyKey,
      resourceId: outpoint,
      fields: { version: '1', outpoint, decision, reason },
    });
    return depositMessage(known((await this.#gateway.reader.loadState(depositStream, outpoint)).state));
  }
}
