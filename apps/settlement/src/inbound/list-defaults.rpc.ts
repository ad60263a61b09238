import type { Metadata } from '@grpc/grpc-js';
import type { liquidityV1 } from '@finality/contracts';
import { fieldError } from '@finality/kernel';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { defaultStream } from '../store/credit-streams.ts';
import { DEFAULT_STATUSES, defaultMessage } from '../store/default-message.ts';
import { checkPageSize, pageSizeOf, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { decodePlace, encodePlace } from './page-token.ts';

/** Above any position there is. */
const NEWEST = 2n ** 63n - 1n;

/** Newest first. */
@Controller()
export class ListDefaultsRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('DefaultService', 'listDefaults')
  async handle(
    request: liquidityV1.ListDefaultsRequest,
    metadata: Metadata,
  ): Promise<liquidityV1.ListDefaultsResponse> {
    await this.#gateway.caller(metadata, 'operator', 'compliance', 'auditor');
    const status = Object.entries(DEFAULT_STATUSES).find(([, value]) => value === request.status)?.[0];
    refuseInvalid(
      checkPageSize(request.pageSize),
      request.status !== undefined && status === undefined
        ? fieldError('status', 'expected a status of the enum, got another number')
        : undefined,
    );
    const { env, reader } = this.#gateway;
    const { epoch } = await reader.head();
    const before = request.pageToken === '' ? NEWEST : decodePlace(request.pageToken, epoch, 'page_token').position;
    const pageSize = pageSizeOf(request.pageSize);
    const { rows } = await env.pool.query<{ default_id: string; declared_position: bigint }>(
      `SELECT default_id, declared_position FROM defaults
       WHERE declared_position < $1 AND ($2::text IS NULL OR status = $2) ORDER BY declared_position DESC LIMIT $3`,
      [before, status ?? null, pageSize + 1],
    );
    const page = rows.slice(0, pageSize);
    const states = await reader.loadStates(
      defaultStream,
      page.map((row) => row.default_id),
    );
    const last = page.at(-1);
    return {
      defaults: states.flatMap(({ state }) => (state.status === 'none' ? [] : [defaultMessage(state)])),
      nextPageToken:
        rows.length > pageSize && last !== undefined
          ? encodePlace({ position: last.declared_position, ordinal: 0 }, epoch)
          : '',
    };
  }
}
