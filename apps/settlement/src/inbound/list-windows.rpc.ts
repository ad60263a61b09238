import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { fieldError } from '@finality/kernel';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { windowStream } from '../store/streams.ts';
import { WINDOW_STATUSES } from '../store/window-messages.ts';
import { checkPageSize, pageSizeOf, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { decodePlace, encodePlace } from './page-token.ts';
import { participantOf, showWindow } from './window-view.ts';

/** Above any position there is. */
const NEWEST = 2n ** 63n - 1n;

/** Newest first. */
@Controller()
export class ListWindowsRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('WindowService', 'listWindows')
  async handle(
    request: settlementV1.ListWindowsRequest,
    metadata: Metadata,
  ): Promise<settlementV1.ListWindowsResponse> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    const status = Object.entries(WINDOW_STATUSES).find(([, value]) => value === request.status)?.[0];
    refuseInvalid(
      checkPageSize(request.pageSize),
      request.status !== undefined && status === undefined
        ? fieldError('status', 'expected a status of the enum, got another number')
        : undefined,
    );
    const participant = participantOf(caller);
    const { env, reader } = this.#gateway;
    const { epoch } = await reader.head();
    const before = request.pageToken === '' ? NEWEST : decodePlace(request.pageToken, epoch, 'page_token').position;
    const pageSize = pageSizeOf(request.pageSize);
    const { rows } = await env.pool.query<{ window_id: string; opened_position: bigint }>(
      `SELECT window_id, opened_position FROM windows
       WHERE opened_position < $1 AND ($2::text IS NULL OR status = $2)
         AND ($3::text IS NULL OR institution_a IS NULL OR institution_a = $3 OR institution_b = $3)
       ORDER BY opened_position DESC LIMIT $4`,
      [before, status ?? null, participant ?? null, pageSize + 1],
    );
    const page = rows.slice(0, pageSize);
    const states = await reader.loadStates(
      windowStream,
      page.map((row) => row.window_id),
    );
    const last = page.at(-1);
    return {
      windows: states.flatMap(({ state }) => (state.status === 'none' ? [] : [showWindow(state, participant)])),
      nextPageToken:
        rows.length > pageSize && last !== undefined
          ? encodePlace({ position: last.opened_position, ordinal: 0 }, epoch)
          : '',
    };
  }
}
