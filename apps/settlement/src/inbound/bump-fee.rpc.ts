import type { Metadata } from '@grpc/grpc-js';
import { feeRate } from '@finality/bitcoin';
import type { settlementV1 } from '@finality/contracts';
import { fieldError } from '@finality/kernel';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkId, checkIdempotencyKey, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';

const RATE_MIN = 1_000n;
const RATE_MAX = 10_000_000n;

/** The payer, or an operator, wants a payout in a block sooner. */
@Controller()
export class BumpFeeRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('SettlementService', 'bumpFee')
  async handle(
    request: settlementV1.BumpFeeRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.Settlement> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator');
    const { settlementId, feeRateSatsPerKvb: rate, idempotencyKey } = request;
    refuseInvalid(
      checkIdempotencyKey(idempotencyKey),
      checkId('settlement_id', settlementId),
      rate < RATE_MIN || rate > RATE_MAX
        ? fieldError('fee_rate_sats_per_kvb', `expected ${RATE_MIN} to ${RATE_MAX}, got ${rate}`)
        : undefined,
    );
    return this.#gateway.decideSettlement(
      { type: 'bump', settlementId, feeRate: feeRate(rate), caller },
      this.#gateway.cause(caller, call),
      {
        principal: scopeOf(caller),
        rpc: 'BumpFee',
        key: idempotencyKey,
        resourceId: settlementId,
        fields: { version: '1', settlement_id: settlementId, fee_rate_sats_per_kvb: String(rate) },
      },
    );
  }
}
