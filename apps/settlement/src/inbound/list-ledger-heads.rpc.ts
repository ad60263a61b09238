import type { Metadata } from '@grpc/grpc-js';
import type { ledgerV1 } from '@finality/contracts';
import { fieldError } from '@finality/kernel';
import { readHeads } from '@finality/ledger-store';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { readTransaction } from '../outbound/read-transaction.ts';
import { readHeadAnchors } from '../projections/head-anchors.ts';
import { headAnchorMessage } from '../store/head-anchor-message.ts';
import { checkPageSize, pageSizeOf, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { signedHeadMessage } from './ledger-head-view.ts';

/** Heads say nothing about anybody: every institution may keep all of them, to compare with its proofs and with what others were told. */
@Controller()
export class ListLedgerHeadsRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('LedgerService', 'listLedgerHeads')
  async handle(
    request: ledgerV1.ListLedgerHeadsRequest,
    metadata: Metadata,
  ): Promise<ledgerV1.ListLedgerHeadsResponse> {
    const { fromSegment, pageSize } = request;
    await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    refuseInvalid(
      checkPageSize(pageSize),
      fromSegment < 0 ? fieldError('from_segment', `expected 0 or more, got ${fromSegment}`) : undefined,
    );
    const count = pageSizeOf(pageSize);
    return readTransaction(this.#gateway.env.pool, async (session) => {
      const found = await readHeads(session, fromSegment, count + 1);
      const heads = found.slice(0, count);
      const anchors = await readHeadAnchors(session, heads[0]?.segment ?? 0, heads.at(-1)?.segment ?? 0);
      return {
        heads: heads.map(signedHeadMessage),
        anchors: anchors.map(headAnchorMessage),
        nextSegment: found[count]?.segment ?? 0,
      };
    });
  }
}
