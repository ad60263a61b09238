import type { amlV1 } from '@finality/contracts';
import { fieldError, invalid, refusal } from '@finality/kernel';
import { type Authenticator, RefusalException } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { verdictStream } from '../streams.ts';
import { AML_READER, type AmlReader, AUTHENTICATOR } from '../tokens.ts';
import { toMessage } from '../verdict-message.ts';

const SUBJECT_ID_LENGTH_MAX = 128;

/** The verdict on a settlement or deposit, with its alerts. For compliance officers, operators and auditors. */
@Controller()
export class GetVerdictRpc {
  readonly #reader: AmlReader;
  readonly #authenticator: Authenticator;

  constructor(@Inject(AML_READER) reader: AmlReader, @Inject(AUTHENTICATOR) authenticator: Authenticator) {
    this.#reader = reader;
    this.#authenticator = authenticator;
  }

  @GrpcMethod('AmlService', 'getVerdict')
  async handle({ subjectId }: amlV1.GetVerdictRequest, metadata: Metadata): Promise<amlV1.Verdict> {
    await this.#authenticator.caller(metadata, 'compliance', 'operator', 'auditor');
    if (subjectId.length < 1 || subjectId.length > SUBJECT_ID_LENGTH_MAX) {
      const expected = `expected 1 to ${SUBJECT_ID_LENGTH_MAX} characters, got ${subjectId.length}`;
      throw new RefusalException(invalid(fieldError('subject_id', expected)));
    }
    const { state } = await this.#reader.loadState(verdictStream, subjectId);
    if (state.status === 'monitored') return toMessage(state.verdict);
    throw new RefusalException(refusal('not_found', 'UNKNOWN_SUBJECT', `nothing was monitored under ${subjectId}`));
  }
}
