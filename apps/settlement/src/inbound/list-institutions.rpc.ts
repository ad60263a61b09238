import type { Metadata } from '@grpc/grpc-js';
import type { institutionV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { institutionEntity } from '../projections/entities.ts';
import { institutionMessage } from '../store/messages.ts';
import { institutionStream } from '../store/streams.ts';
import { checkPageSize, pageSizeOf, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { decodePlace, encodePlace } from './page-token.ts';

/** Oldest first. */
@Controller()
export class ListInstitutionsRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('InstitutionService', 'listInstitutions')
  async handle(
    request: institutionV1.ListInstitutionsRequest,
    metadata: Metadata,
  ): Promise<institutionV1.ListInstitutionsResponse> {
    await this.#gateway.caller(metadata, 'operator', 'compliance', 'auditor');
    refuseInvalid(checkPageSize(request.pageSize));
    const { epoch } = await this.#gateway.reader.head();
    const after = request.pageToken === '' ? 0n : decodePlace(request.pageToken, epoch, 'page_token').position;
    const pageSize = pageSizeOf(request.pageSize);
    const rows = await this.#gateway.env.readModels
      .getRepository(institutionEntity)
      .createQueryBuilder('institution')
      .where('institution.createdPosition > :after', { after: after.toString() })
      .orderBy('institution.createdPosition', 'ASC')
      .limit(pageSize + 1)
      .getMany();
    const page = rows.slice(0, pageSize);
    const states = await this.#gateway.reader.loadStates(
      institutionStream,
      page.map((row) => row.institutionId),
    );
    const last = page.at(-1);
    return {
      institutions: states.flatMap(({ state }) => (state.status === 'none' ? [] : [institutionMessage(state)])),
      nextPageToken:
        rows.length > pageSize && last !== undefined
          ? encodePlace({ position: last.createdPosition, ordinal: 0 }, epoch)
          : '',
    };
  }
}
