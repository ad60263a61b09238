import type { Metadata } from '@grpc/grpc-js';
import { settlementV1 } from '@finality/contracts';
import { fieldError } from '@finality/kernel';
import { known } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { depositEntity } from '../projections/entities.ts';
import { DEPOSIT_STATUSES, depositMessage } from '../store/messages.ts';
import { depositStream } from '../store/streams.ts';
import { checkPageSize, pageSizeOf, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { decodePlace, encodePlace } from './page-token.ts';

/** Newest first. */
@Controller()
export class ListDepositsRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('SettlementService', 'listDeposits')
  async handle(
    request: settlementV1.ListDepositsRequest,
    metadata: Metadata,
  ): Promise<settlementV1.ListDepositsResponse> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    const status = Object.entries(DEPOSIT_STATUSES).find(([, value]) => value === request.status)?.[0];
    const isUnknown = request.status !== undefined && status === undefined;
    refuseInvalid(
      checkPageSize(request.pageSize),
      isUnknown ? fieldError('status', 'expected a status of the enum, got another number') : undefined,
    );
    const { epoch } = await this.#gateway.reader.head();
    const query = this.#gateway.env.readModels.getRepository(depositEntity).createQueryBuilder('deposit');
    if (caller.roles.every((role) => role === 'institution')) {
      query.andWhere('deposit.institutionId = :own', { own: caller.institutionId ?? '' });
    }
    if (status !== undefined) query.andWhere('deposit.status = :status', { status });
    if (request.pageToken !== '') {
      const { position } = decodePlace(request.pageToken, epoch, 'page_token');
      query.andWhere('deposit.createdPosition < :before', { before: position.toString() });
    }
    const pageSize = pageSizeOf(request.pageSize);
    const rows = await query
      .orderBy('deposit.createdPosition', 'DESC')
      .limit(pageSize + 1)
      .getMany();
    const page = rows.slice(0, pageSize);
    const last = page.at(-1);
    const states = await this.#gateway.reader.loadStates(
      depositStream,
      page.map((row) => row.outpoint),
    );
    return {
      deposits: states.map(({ state }) => depositMessage(known(state))),
      nextPageToken:
        rows.length > pageSize && last !== undefined
          ? encodePlace({ position: last.createdPosition, ordinal: 0 }, epoch)
          : '',
    };
  }
}
