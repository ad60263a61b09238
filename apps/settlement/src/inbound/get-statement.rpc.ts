import type { Metadata } from '@grpc/grpc-js';
import type { ledgerV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { readTransaction } from '../outbound/read-transaction.ts';
import { checkPageSize, pageSizeOf, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { checkPeriod, decodePage, encodePage, openStatement, readLines, summaryMessage } from './statement.ts';

/** An account over a period, a page at a time. */
@Controller()
export class GetStatementRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('LedgerService', 'getStatement')
  async handle(request: ledgerV1.GetStatementRequest, metadata: Metadata): Promise<ledgerV1.Statement> {
    const { env, reader } = this.#gateway;
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    const { account, fromTime, toTime, pageSize, pageToken } = request;
    const period = { account, fromTime, toTime };
    checkPeriod(period, env.runtime.now());
    refuseInvalid(checkPageSize(pageSize));
    const { epoch } = await reader.head();
    const place = pageToken === '' ? undefined : decodePage(pageToken, period, epoch);
    return readTransaction(env.pool, async (session) => {
      const statement = await openStatement(this.#gateway, session, { caller, period, ...place });
      const { range } = statement;
      const from = { after: place?.after ?? range.after, limit: pageSizeOf(pageSize) };
      const { lines, next } = await readLines(this.#gateway, session, statement, from);
      return {
        summary: summaryMessage(statement),
        entries: [...lines],
        nextPageToken: next === undefined ? '' : encodePage(period, { range, after: next.after }, epoch),
      };
    });
  }
}
