import type { Metadata } from '@grpc/grpc-js';
import type { liquidityV1 } from '@finality/contracts';
import { unwrap } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import { sizeFund, SIZING_RULE, standbyMaxIn } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { readFund } from '../outbound/read-fund.ts';
import { refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { parseUnitField } from './money.ts';
import { isStaff } from './statement-accounts.ts';

/** What members should have contributed to the default fund of a unit. */
@Controller()
export class GetFundSizingRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('FundService', 'getFundSizing')
  async handle({ unit: code }: liquidityV1.GetFundSizingRequest, metadata: Metadata): Promise<liquidityV1.FundSizing> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    const { pool, config } = this.#gateway.env;
    const parsed = parseUnitField(code === '' ? BTC : code, 'unit');
    refuseInvalid(parsed.ok ? undefined : parsed.error);
    const unit = unwrap(parsed);
    const { members, ...sizing } = sizeFund(await readFund(pool, unit), standbyMaxIn(config.policy, unit));
    const seen = isStaff(caller) ? members : members.filter((each) => each.institutionId === caller.institutionId);
    return { rule: SIZING_RULE, unit, ...sizing, members: [...seen] };
  }
}
