import type { Metadata } from '@grpc/grpc-js';
import { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { SuspenseKind } from '../projections/suspense.ts';
import { depositStream } from '../store/streams.ts';
import { checkPageSize, pageSizeOf, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { decodePlace, encodePlace } from './page-token.ts';
import { resolutionMessage } from './suspense-view.ts';

interface SuspenseRow {
  readonly number: bigint;
  readonly kind: SuspenseKind;
  readonly item: string;
  readonly amount_sats: bigint;
  readonly wallet_id: string;
  readonly reason: string;
}

const { SuspenseKind: Kind } = settlementV1;
const KINDS: Readonly<Record<SuspenseKind, settlementV1.SuspenseKind>> = {
  deposit: Kind.SUSPENSE_KIND_DEPOSIT,
  taken_coin: Kind.SUSPENSE_KIND_TAKEN_COIN,
  settlement: Kind.SUSPENSE_KIND_SETTLEMENT,
  late_payout: Kind.SUSPENSE_KIND_LATE_PAYOUT,
};

/** What is nobody's, and what is missing; oldest first. */
@Controller()
export class ListSuspenseRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('OperationsService', 'listSuspense')
  async handle(
    request: settlementV1.ListSuspenseRequest,
    metadata: Metadata,
  ): Promise<settlementV1.ListSuspenseResponse> {
    await this.#gateway.caller(metadata, 'operator', 'compliance', 'auditor');
    refuseInvalid(checkPageSize(request.pageSize));
    const { env, reader } = this.#gateway;
    const { epoch } = await reader.head();
    const after = request.pageToken === '' ? 0n : decodePlace(request.pageToken, epoch, 'page_token').position;
    const pageSize = pageSizeOf(request.pageSize);
    const { rows } = await env.pool.query<SuspenseRow>(
      'SELECT number, kind, item, amount_sats, wallet_id, reason FROM suspense WHERE number > $1 ORDER BY number LIMIT $2',
      [after, pageSize + 1],
    );
    const page = rows.slice(0, pageSize);
    const outpoints = page.filter(({ kind }) => kind === 'deposit').map(({ item }) => item);
    const deposits = await reader.loadStates(depositStream, outpoints);
    const states = new Map(outpoints.map((outpoint, i) => [outpoint, deposits[i]!.state]));
    const last = page.at(-1);
    return {
      items: page.map((row) => {
        const deposit = row.kind === 'deposit' ? states.get(row.item) : undefined;
        const resolution = deposit?.status === 'none' ? undefined : deposit?.resolution;
        return {
          kind: KINDS[row.kind],
          ...placeOf(row),
          walletId: row.wallet_id,
          amountSats: row.amount_sats,
          reason: row.reason,
          resolution: resolution && resolutionMessage(row.item, resolution),
        };
      }),
      nextPageToken:
        rows.length > pageSize && last !== undefined ? encodePlace({ position: last.number, ordinal: 0 }, epoch) : '',
    };
  }
}

function placeOf({ kind, item }: SuspenseRow): Pick<settlementV1.SuspenseItem, 'outpoint' | 'settlementId'> {
  if (kind === 'deposit' || kind === 'taken_coin') return { outpoint: item, settlementId: '' };
  return { outpoint: '', settlementId: item.slice(item.indexOf(' ') + 1) };
}
