import type { reconciliationV1 } from '@finality/contracts';
import { type Authenticator, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { poolSession } from '../outbound/pool-session.ts';
import { reportsBefore } from '../projections/reports.projection.ts';
import { AUTHENTICATOR, READER, type ReconciliationReader } from '../tokens.ts';
import { checkPageSize, pageSizeOf, pageToken, parsePageToken, READERS, refuseInvalid } from './request.ts';

/** Completed reports, newest first. */
@Controller()
export class ListReportsRpc {
  readonly #reader: ReconciliationReader;
  readonly #authenticator: Authenticator;
  readonly #pool: ServiceEnv['pool'];

  constructor(
    @Inject(READER) reader: ReconciliationReader,
    @Inject(AUTHENTICATOR) authenticator: Authenticator,
    @Inject(SERVICE_ENV) env: ServiceEnv,
  ) {
    this.#reader = reader;
    this.#authenticator = authenticator;
    this.#pool = env.pool;
  }

  @GrpcMethod('ReconciliationService', 'listReports')
  async handle(
    request: reconciliationV1.ListReportsRequest,
    metadata: Metadata,
  ): Promise<reconciliationV1.ListReportsResponse> {
    await this.#authenticator.caller(metadata, ...READERS);
    const { epoch } = await this.#reader.head();
    const before = parsePageToken(request.pageToken, epoch);
    refuseInvalid(checkPageSize(request.pageSize), typeof before === 'object' ? before : undefined);
    const position = typeof before === 'bigint' ? before : undefined;
    const page = await reportsBefore(poolSession(this.#pool), position, pageSizeOf(request.pageSize));
    return {
      reports: [...page.reports],
      nextPageToken: page.next === undefined ? '' : pageToken(epoch, page.next),
    };
  }
}
