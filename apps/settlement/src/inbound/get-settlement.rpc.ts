import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { isInLine, type LivingSettlement } from '@finality/settlement';
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
    const shown = await this.#gateway.show(settlement);
    return isInLine(settlement) ? { ...shown, queuePlace: await queuePlace(this.#gateway, settlement) } : shown;
  }
}

/** From 1; missing if it has left the line by now. */
async function queuePlace({ env }: Gateway, { terms }: LivingSettlement): Promise<number | undefined> {
  const { rows } = await env.pool.query<{ place: bigint }>(
    `SELECT count(*) AS place FROM settlements own JOIN settlements line USING (payer_claim)
     WHERE own.settlement_id = $1 AND own.status = 'queued' AND line.status = 'queued'
       AND (line.queue_rank, line.updated_position) <= (own.queue_rank, own.updated_position)`,
    [terms.settlementId],
  );
  const place = Number(rows[0]?.place ?? 0);
  return place === 0 ? undefined : place;
}
