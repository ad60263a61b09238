import type { riskV1 } from '@finality/contracts';
import { fieldError, invalid, refusal } from '@finality/kernel';
import { type Authenticator, RefusalException } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { verdictStream } from '../streams.ts';
import { AUTHENTICATOR, RISK_READER, type RiskReader } from '../tokens.ts';
import { toMessage } from '../verdict-message.ts';

const SUBJECT_ID_LENGTH_MAX = 128;

/** The verdict on a settlement or deposit, with all of its factors. For compliance officers, operators and auditors. */
@Controller()
export class GetVerdictRpc {
  readonly #reader: RiskReader;
  readonly #authenticator: Authenticator;

  constructor(@Inject(RISK_READER) reader: RiskReader, @Inject(AUTHENTICATOR) authenticator: Authenticator) {
    this.#reader = reader;
    this.#authenticator = authenticator;
  }

  @GrpcMethod('RiskService', 'getVerdict')
  async handle({ subjectId }: riskV1.GetVerdictRequest, metadata: Metadata): Promise<riskV1.Verdict> {
    await this.#authenticator.caller(metadata, 'compliance', 'operator', 'auditor');
    if (subjectId.length < 1 || subjectId.length > SUBJECT_ID_LENGTH_MAX) {
      const expected = `expected 1 to ${SUBJECT_ID_LENGTH_MAX} characters, got ${subjectId.length}`;
      throw new RefusalException(invalid(fieldError('subject_id', expected)));
    }
    const { state } = await this.#reader.loadState(verdictStream, subjectId);
    if (state.status === 'screened') return toMessage(state.verdict);
    throw new RefusalException(refusal('not_found', 'UNKNOWN_SUBJECT', `nothing was screened under ${subjectId}`));
  }
}
