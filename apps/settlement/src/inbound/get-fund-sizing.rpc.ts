import type { Metadata } from '@grpc/grpc-js';
import type { liquidityV1 } from '@finality/contracts';
import { sizeFund, SIZING_RULE } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { readFund } from '../outbound/read-fund.ts';
import { Gateway } from './gateway.ts';
import { isStaff } from './statement-accounts.ts';

/** What members should have contributed to the default fund. */
@Controller()
export class GetFundSizingRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('FundService', 'getFundSizing')
  async handle(_request: liquidityV1.GetFundSizingRequest, metadata: Metadata): Promise<liquidityV1.FundSizing> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    const { pool, config } = this.#gateway.env;
    const { members, ...sizing } = sizeFund(await readFund(pool), config.policy.standbyMaxSats ?? 0n);
    const seen = isStaff(caller) ? members : members.filter((each) => each.institutionId === caller.institutionId);
    return { rule: SIZING_RULE, ...sizing, members: [...seen] };
  }
}
