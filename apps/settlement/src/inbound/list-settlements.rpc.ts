import type { Metadata } from '@grpc/grpc-js';
import { fromTimestamp, settlementV1 } from '@finality/contracts';
import { fieldError, type Principal } from '@finality/kernel';
import { living } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { Brackets, type SelectQueryBuilder } from 'typeorm';
import { settlementEntity, type SettlementRow } from '../projections/entities.ts';
import { settlementMessage, STATUSES } from '../store/messages.ts';
import { settlementStream } from '../store/streams.ts';
import { checkInstitutionId, checkPageSize, pageSizeOf, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { decodePlace, encodePlace } from './page-token.ts';

/** Newest first. An institution sees those it pays or receives; those who run the platform see all. */
@Controller()
export class ListSettlementsRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('SettlementService', 'listSettlements')
  async handle(
    request: settlementV1.ListSettlementsRequest,
    metadata: Metadata,
  ): Promise<settlementV1.ListSettlementsResponse> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    const status = request.status === undefined ? undefined : statusName(request.status);
    refuseInvalid(
      checkPageSize(request.pageSize),
      request.status !== undefined && status === undefined
        ? fieldError('status', 'expected a status of the enum, got another number')
        : undefined,
      request.counterparty === undefined ? undefined : checkInstitutionId('counterparty', request.counterparty),
    );
    const { epoch } = await this.#gateway.reader.head();
    const before = request.pageToken === '' ? undefined : decodePlace(request.pageToken, epoch, 'page_token').position;
    const pageSize = pageSizeOf(request.pageSize);
    const rows = await filtered(this.#query(), request, caller, status, before)
      .orderBy('settlement.createdPosition', 'DESC')
      .limit(pageSize + 1)
      .getMany();
    const page = rows.slice(0, pageSize);
    const last = page.at(-1);
    const states = await this.#gateway.reader.loadStates(
      settlementStream,
      page.map((row) => row.settlementId),
    );
    const tipHeight = await this.#gateway.tipHeight();
    return {
      settlements: states.map(({ state }) => settlementMessage(living(state), tipHeight)),
      nextPageToken:
        rows.length > pageSize && last !== undefined
          ? encodePlace({ position: last.createdPosition, ordinal: 0 }, epoch)
          : '',
    };
  }

  #query(): SelectQueryBuilder<SettlementRow> {
    return this.#gateway.env.readModels.getRepository(settlementEntity).createQueryBuilder('settlement');
  }
}

type Query = SelectQueryBuilder<SettlementRow>;

function filtered(
  query: Query,
  request: settlementV1.ListSettlementsRequest,
  caller: Principal,
  status: string | undefined,
  before: bigint | undefined,
): Query {
  const own = caller.roles.every((role) => role === 'institution') ? caller.institutionId : undefined;
  if (own !== undefined) query.andWhere(partyIs('own', own));
  if (request.counterparty !== undefined) query.andWhere(partyIs('counterparty', request.counterparty));
  if (status !== undefined) query.andWhere('settlement.status = :status', { status });
  if (request.fromTime !== undefined)
    query.andWhere('settlement.createdAt >= :fromTime', { fromTime: fromTimestamp(request.fromTime) });
  if (request.toTime !== undefined)
    query.andWhere('settlement.createdAt < :toTime', { toTime: fromTimestamp(request.toTime) });
  if (before !== undefined) query.andWhere('settlement.createdPosition < :before', { before: before.toString() });
  return query;
}

const partyIs = (name: string, institution: string): Brackets =>
  new Brackets((where) => {
    where
      .where(`settlement.fromInstitution = :${name}`, { [name]: institution })
      .orWhere(`settlement.toInstitution = :${name}`, { [name]: institution });
  });

function statusName(status: settlementV1.SettlementStatus): string | undefined {
  return Object.entries(STATUSES).find(([, value]) => value === status)?.[0];
}
