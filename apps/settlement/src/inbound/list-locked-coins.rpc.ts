import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkPageSize, pageSizeOf, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { lockedCoinsOfAll } from './locked-coins-view.ts';
import { decodePlace, encodePlace } from './page-token.ts';

/** Lineages that are over and keep coins, oldest first. */
@Controller()
export class ListLockedCoinsRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('OperationsService', 'listLockedCoins')
  async handle(
    request: settlementV1.ListLockedCoinsRequest,
    metadata: Metadata,
  ): Promise<settlementV1.ListLockedCoinsResponse> {
    await this.#gateway.caller(metadata, 'operator', 'compliance', 'auditor');
    refuseInvalid(checkPageSize(request.pageSize));
    const { epoch } = await this.#gateway.reader.head();
    const after = request.pageToken === '' ? 0n : decodePlace(request.pageToken, epoch, 'page_token').position;
    const pageSize = pageSizeOf(request.pageSize);
    const { rows } = await this.#gateway.env.pool.query<{ lineage_id: string; planned_position: bigint }>(
      `SELECT lineage_id, planned_position FROM lineages l
       WHERE status IN ('final', 'dead') AND planned_position > $1 AND lineage_id IN (
         SELECT claimed_by FROM coins WHERE claimed_by IS NOT NULL AND spent_by IS NULL AND height IS NOT NULL)
       ORDER BY planned_position LIMIT $2`,
      [after, pageSize + 1],
    );
    const page = rows.slice(0, pageSize);
    const views = await lockedCoinsOfAll(
      this.#gateway,
      page.map((row) => row.lineage_id),
    );
    const last = page.at(-1);
    return {
      // Change that is kept to pay what was left over isn't locked.
      lockedCoins: views.filter(({ coins }) => coins.length > 0),
      nextPageToken:
        rows.length > pageSize && last !== undefined
          ? encodePlace({ position: last.planned_position, ordinal: 0 }, epoch)
          : '',
    };
  }
}
