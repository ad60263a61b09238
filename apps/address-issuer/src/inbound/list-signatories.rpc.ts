import type { NotedSignatory } from '@finality/address';
import { type addressV1, toTimestamp } from '@finality/contracts';
import type { EventReader } from '@finality/event-store';
import { Authenticator } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { signatoriesStream } from '../streams.ts';
import { AUTHENTICATOR, ISSUER_READER } from '../tokens.ts';
import { Fields, requireActingFor } from './validation.ts';

/** Who signs for an institution, and who did, oldest first; a few. */
@Controller()
export class ListSignatoriesRpc {
  readonly #reader: EventReader;
  readonly #authenticator: Authenticator;

  constructor(@Inject(ISSUER_READER) reader: EventReader, @Inject(AUTHENTICATOR) authenticator: Authenticator) {
    this.#reader = reader;
    this.#authenticator = authenticator;
  }

  @GrpcMethod('DestinationService', 'listSignatories')
  async handle(
    { institutionId }: addressV1.ListSignatoriesRequest,
    metadata: Metadata,
  ): Promise<addressV1.ListSignatoriesResponse> {
    const readers = ['operator', 'compliance', 'auditor'] as const;
    const principal = await this.#authenticator.caller(metadata, 'institution', ...readers);
    const fields = new Fields();
    fields.id('institution_id', institutionId);
    fields.done();
    requireActingFor(principal, institutionId, readers);
    const { state } = await this.#reader.loadState(signatoriesStream, institutionId);
    return {
      signatories: state.signatories.map((signatory) => signatoryMessage(institutionId, signatory)),
    };
  }
}

export const signatoryMessage = (
  institutionId: string,
  { address, registeredAt, revokedAt }: NotedSignatory,
): addressV1.Signatory => ({
  institutionId,
  address,
  registeredAt: toTimestamp(registeredAt),
  revokedAt: revokedAt === undefined ? undefined : toTimestamp(revokedAt),
});
