import type { reconciliationV1 } from '@finality/contracts';
import { refusal } from '@finality/kernel';
import { type Authenticator, RefusalException } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { reportMessage } from '../report-message.ts';
import { runStream } from '../streams.ts';
import { AUTHENTICATOR, READER, type ReconciliationReader } from '../tokens.ts';
import { checkText, READERS, refuseInvalid } from './request.ts';

/** A completed report. */
@Controller()
export class GetReportRpc {
  readonly #reader: ReconciliationReader;
  readonly #authenticator: Authenticator;

  constructor(@Inject(READER) reader: ReconciliationReader, @Inject(AUTHENTICATOR) authenticator: Authenticator) {
    this.#reader = reader;
    this.#authenticator = authenticator;
  }

  @GrpcMethod('ReconciliationService', 'getReport')
  async handle({ reportId }: reconciliationV1.GetReportRequest, metadata: Metadata): Promise<reconciliationV1.Report> {
    await this.#authenticator.caller(metadata, ...READERS);
    refuseInvalid(checkText('report_id', reportId));
    const { state } = await this.#reader.loadState(runStream, reportId);
    switch (state.status) {
      case 'completed':
        return reportMessage(state.report);
      case 'running':
        throw new RefusalException(
          refusal('unavailable', 'RUN_NOT_COMPLETED', `run ${reportId} isn't completed yet`, { retryable: true }),
        );
      case 'none':
        throw new RefusalException(refusal('not_found', 'UNKNOWN_REPORT', `there is no report ${reportId}`));
    }
  }
}
