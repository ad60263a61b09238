import type { Metadata } from '@grpc/grpc-js';
import { settlementEventOf, type settlementV1, TOPICS } from '@finality/contracts';
import { type Principal, refusal } from '@finality/kernel';
import { callContext, toRpcException } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { type PublishedChange, RecentChanges } from '../recent-changes.ts';
import { Gateway } from './gateway.ts';
import { type LogPlace, decodePlace, encodePlace } from './page-token.ts';
import { Wakeups } from './wakeups.ts';

const PAGE_CHANGES = 500;
/** A change made by another process is seen at the latest after so long. */
const POLL_MS = 500;

/** Of the headers, without reading the others: quotes in JSON are escaped, and in ids there are none. */
const INSTITUTIONS = `split_part(split_part(headers, '"ce_institutions":"', 2), '"', 1)`;

/** The published changes, encoded, from the cursor on and then live, until the client leaves or the server drains. */
@Controller()
export class WatchSettlementsRpc {
  readonly #gateway: Gateway;
  readonly #wakeups: Wakeups;
  readonly #recent: RecentChanges;

  constructor(
    @Inject(Gateway) gateway: Gateway,
    @Inject(Wakeups) wakeups: Wakeups,
    @Inject(RecentChanges) recent: RecentChanges,
  ) {
    this.#gateway = gateway;
    this.#wakeups = wakeups;
    this.#recent = recent;
  }

  @GrpcMethod('SettlementService', 'watchSettlements')
  async *handle(
    request: settlementV1.WatchSettlementsRequest,
    metadata: Metadata,
    call: object,
  ): AsyncGenerator<Buffer, void, undefined> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    const { signal } = callContext(call);
    const { epoch } = await this.#gateway.reader.head();
    let place: LogPlace =
      request.afterCursor === ''
        ? { position: 0n, ordinal: 0 }
        : decodePlace(request.afterCursor, epoch, 'after_cursor');
    // Whoever hears of a commit finds it in memory. Otherwise the database is looked into: another process may have written.
    let isNews = false;
    for (;;) {
      if (signal.aborted) return this.#end(signal, encodePlace(place, epoch));
      const news = this.#wakeups.next(POLL_MS, signal);
      const recent: readonly PublishedChange[] | undefined = isNews
        ? this.#recent.since(place, PAGE_CHANGES)
        : undefined;
      const changes: readonly PublishedChange[] = recent ?? (await this.#page(place));
      for (const change of changes) {
        if (signal.aborted) return this.#end(signal, encodePlace(place, epoch));
        place = change;
        const event = mayWatch(caller, change)
          ? settlementEventOf(change.payload, encodePlace(place, epoch))
          : undefined;
        if (event !== undefined) yield event;
      }
      isNews = changes.length === PAGE_CHANGES || (await news);
    }
  }

  #end(signal: AbortSignal, cursor: string): void {
    if (signal.reason !== 'draining') return;
    const message = 'the server is shutting down; go on from the cursor in the trailer finality-cursor';
    throw toRpcException(refusal('unavailable', 'SHUTTING_DOWN', message, { retryable: true }), {
      'finality-cursor': cursor,
    });
  }

  async #page({ position, ordinal }: LogPlace): Promise<readonly PublishedChange[]> {
    const { rows } = await this.#gateway.env.pool.query<PublishedChange>(
      `SELECT position, ordinal, ${INSTITUTIONS} AS institutions, payload FROM published_messages
       WHERE topic = $1 AND (position, ordinal) > ($2::bigint, $3::integer) ORDER BY position, ordinal LIMIT ${PAGE_CHANGES}`,
      [TOPICS.settlement.name, position, ordinal],
    );
    return rows;
  }
}

function mayWatch(caller: Principal, { institutions }: PublishedChange): boolean {
  if (caller.roles.some((role) => role !== 'institution')) return true;
  return caller.institutionId !== undefined && institutions.split(',').includes(caller.institutionId);
}
