import type { addressV1 } from '@finality/contracts';
import type { EventReader } from '@finality/event-store';
import { Authenticator, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { MoreThan, type Repository } from 'typeorm';
import { walletMessage } from '../messages.ts';
import { walletEntity, walletOf, type WalletRow } from '../projections/wallets.projection.ts';
import { AUTHENTICATOR, ISSUER_READER } from '../tokens.ts';
import { Fields, pageSizeOf, pageToken, positionOf, requireActingFor } from './validation.ts';

/** Wallets registered for an institution, oldest first. */
@Controller()
export class ListWalletsRpc {
  readonly #reader: EventReader;
  readonly #authenticator: Authenticator;
  readonly #wallets: Repository<WalletRow>;

  constructor(
    @Inject(ISSUER_READER) reader: EventReader,
    @Inject(AUTHENTICATOR) authenticator: Authenticator,
    @Inject(SERVICE_ENV) env: ServiceEnv,
  ) {
    this.#reader = reader;
    this.#authenticator = authenticator;
    this.#wallets = env.readModels.getRepository(walletEntity);
  }

  @GrpcMethod('AddressService', 'listWallets')
  async handle(request: addressV1.ListWalletsRequest, metadata: Metadata): Promise<addressV1.ListWalletsResponse> {
    const readers = ['operator', 'compliance', 'auditor'] as const;
    const principal = await this.#authenticator.caller(metadata, 'institution', ...readers);
    const { institutionId } = request;
    const { epoch } = await this.#reader.head();
    const fields = new Fields();
    fields.id('institution_id', institutionId);
    const size = pageSizeOf(request.pageSize, fields);
    const after = positionOf(request.pageToken, epoch, fields);
    fields.done();
    requireActingFor(principal, institutionId, readers);
    const where = { institutionId, status: 'registered' as const, position: MoreThan(after) };
    const rows = await this.#wallets.find({ where, order: { position: 'ASC' }, take: size + 1 });
    const page = rows.slice(0, size);
    return {
      wallets: page.map((row) => walletMessage(walletOf(row))),
      nextPageToken: rows.length > size ? pageToken(epoch, page.at(-1)!.position) : '',
    };
  }
}
