import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkId, refuseInvalid } from './fields.ts';
import { Gateway, mayRead, unknownSettlement } from './gateway.ts';

/** Reads what is committed: whoever got an answer sees at least that. A foreign settlement doesn't exist. */
@Controller()
export class GetSettlementRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('SettlementService', 'getSettlement')
  async handle(
    { settlementId }: settlementV1.GetSettlementRequest,
    metadata: Metadata,
  ): Promise<settlementV1.Settlement> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    refuseInvalid(checkId('settlement_id', settlementId));
    const settlement = await this.#gateway.settlement(settlementId);
    if (!mayRead(caller, settlement)) throw unknownSettlement(settlementId);
    return this.#gateway.show(settlement);
  }
}
