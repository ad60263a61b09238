import type { addressV1 } from '@finality/contracts';
import type { EventReader } from '@finality/event-store';
import { Authenticator, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { MoreThan, type Repository } from 'typeorm';
import { addressMessage } from '../messages.ts';
import { addressEntity, addressOfRow, type AddressRow } from '../projections/addresses.projection.ts';
import { AUTHENTICATOR, ISSUER_READER } from '../tokens.ts';
import { Fields, pageSizeOf, pageToken, positionOf, requireActingFor } from './validation.ts';

/** Addresses issued for an institution, oldest first. */
@Controller()
export class ListAddressesRpc {
  readonly #reader: EventReader;
  readonly #authenticator: Authenticator;
  readonly #addresses: Repository<AddressRow>;

  constructor(
    @Inject(ISSUER_READER) reader: EventReader,
    @Inject(AUTHENTICATOR) authenticator: Authenticator,
    @Inject(SERVICE_ENV) env: ServiceEnv,
  ) {
    this.#reader = reader;
    this.#authenticator = authenticator;
    this.#addresses = env.readModels.getRepository(addressEntity);
  }

  @GrpcMethod('AddressService', 'listAddresses')
  async handle(request: addressV1.ListAddressesRequest, metadata: Metadata): Promise<addressV1.ListAddressesResponse> {
    const readers = ['operator', 'compliance', 'auditor'] as const;
    const principal = await this.#authenticator.caller(metadata, 'institution', ...readers);
    const { institutionId, label, externalId, walletId } = request;
    const { epoch } = await this.#reader.head();
    const fields = new Fields();
    fields.id('institution_id', institutionId);
    const size = pageSizeOf(request.pageSize, fields);
    const after = positionOf(request.pageToken, epoch, fields);
    fields.done();
    requireActingFor(principal, institutionId, readers);
    const chosen = { ...(label && { label }), ...(externalId && { externalId }), ...(walletId && { walletId }) };
    const where = { institutionId, position: MoreThan(after), ...chosen };
    const rows = await this.#addresses.find({ where, order: { position: 'ASC' }, take: size + 1 });
    const page = rows.slice(0, size);
    return {
      addresses: page.map((row) => addressMessage(addressOfRow(row))),
      nextPageToken: rows.length > size ? pageToken(epoch, page.at(-1)!.position) : '',
    };
  }
}
