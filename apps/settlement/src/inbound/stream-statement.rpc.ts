import type { Metadata } from '@grpc/grpc-js';
import { ledgerV1 } from '@finality/contracts';
import { fieldError, refusal } from '@finality/kernel';
import { STATEMENT_PAGE_MAX } from '@finality/ledger-store';
import { callContext, toRpcException } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { readTransaction } from '../outbound/read-transaction.ts';
import { refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import {
  checkPeriod,
  openStatement,
  type OpenStatement,
  readLines,
  type StatementLines,
  summaryMessage,
} from './statement.ts';
import { closingCsv, entriesCsv, openingCsv } from './statement-csv.ts';

type Part = ledgerV1.StatementPart;
const MESSAGES: ReadonlySet<ledgerV1.StatementFormat> = new Set([
  ledgerV1.StatementFormat.STATEMENT_FORMAT_UNSPECIFIED,
  ledgerV1.StatementFormat.STATEMENT_FORMAT_MESSAGES,
]);

/** A whole statement. Holds one page at a time, reads the next one once the client has read this one, and no transaction in between. */
@Controller()
export class StreamStatementRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('LedgerService', 'streamStatement')
  async *handle(
    { account, fromTime, toTime, format }: ledgerV1.StreamStatementRequest,
    metadata: Metadata,
    call: object,
  ): AsyncGenerator<Part, void, undefined> {
    const { env } = this.#gateway;
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    const period = { account, fromTime, toTime };
    checkPeriod(period, env.runtime.now());
    const isCsv = format === ledgerV1.StatementFormat.STATEMENT_FORMAT_CSV;
    refuseInvalid(
      isCsv || MESSAGES.has(format)
        ? undefined
        : fieldError('format', 'expected a format of the enum, got another number'),
    );
    const statement = await readTransaction(env.pool, (session) =>
      openStatement(this.#gateway, session, { caller, period }),
    );
    yield* this.#parts(statement, isCsv, callContext(call).signal);
  }

  async *#parts(statement: OpenStatement, isCsv: boolean, signal: AbortSignal): AsyncGenerator<Part, void, undefined> {
    const summary = summaryMessage(statement);
    yield isCsv ? { csv: openingCsv(summary) } : { summary };
    let place: StatementLines['next'] = { after: statement.range.after, totals: statement.totals.opening };
    while (place !== undefined) {
      const { lines, next } = await this.#page(statement, place);
      if (!isCsv) for (const entry of lines) yield { entry };
      else if (lines.length > 0) yield { csv: entriesCsv(lines, summary.unit) };
      if (signal.aborted) return endEarly(signal);
      place = next;
    }
    if (isCsv) yield { csv: closingCsv(summary) };
  }

  #page(statement: OpenStatement, place: NonNullable<StatementLines['next']>): Promise<StatementLines> {
    const from = { ...place, limit: STATEMENT_PAGE_MAX };
    return readTransaction(this.#gateway.env.pool, (session) => readLines(this.#gateway, session, statement, from));
  }
}

/** Whoever reads on must not take what it has for everything. */
function endEarly(signal: AbortSignal): void {
  if (signal.reason !== 'draining') return;
  const message = 'the server is shutting down; ask again for the whole statement';
  throw toRpcException(refusal('unavailable', 'SHUTTING_DOWN', message, { retryable: true }));
}
