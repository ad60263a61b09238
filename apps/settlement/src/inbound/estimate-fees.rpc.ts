import type { Metadata } from '@grpc/grpc-js';
import { FEE_TARGETS, formatFeeRate } from '@finality/bitcoin';
import { type settlementV1, toTimestamp } from '@finality/contracts';
import { feesNow } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { CHAIN_TIP_ID, chainTipStream } from '../store/streams.ts';
import { Gateway } from './gateway.ts';

@Controller()
export class EstimateFeesRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('SettlementService', 'estimateFees')
  async handle(_request: object, metadata: Metadata): Promise<settlementV1.EstimateFeesResponse> {
    await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    const { reader, env } = this.#gateway;
    const { state } = await reader.loadState(chainTipStream, CHAIN_TIP_ID);
    const { targets, estimatedAt } = feesNow(state, env.config.policy);
    const isFixed = 'fixed' in env.config.policy.fees;
    return {
      estimates: FEE_TARGETS.map((target) => {
        const { feeRate, blocks, delaySeconds, basis } = targets[target];
        return {
          target,
          satPerVb: formatFeeRate(feeRate),
          feeRateSatsPerKvb: feeRate,
          blocks,
          expectedDelaySeconds: delaySeconds,
          basis: isFixed ? 'fixed' : basis,
        };
      }),
      estimatedAt: estimatedAt === undefined ? undefined : toTimestamp(estimatedAt),
    };
  }
}
