import type { signingV1 } from '@finality/contracts';
import { fieldError, invalid, type Runtime } from '@finality/kernel';
import { RefusalException, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import { usableRefusal } from '@finality/signing';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { destinationStream, signatoriesStream } from '../streams.ts';
import { SIGNER_READER, type SignerReader } from '../tokens.ts';

/** A transaction has no more payouts. */
const DESTINATIONS_MAX = 3_000;

/** So that nothing is offered for signature that would be refused for its destination. */
@Controller()
export class CheckDestinationsRpc {
  readonly #reader: SignerReader;
  readonly #runtime: Runtime;

  constructor(@Inject(SIGNER_READER) reader: SignerReader, @Inject(SERVICE_ENV) env: ServiceEnv) {
    this.#reader = reader;
    this.#runtime = env.runtime;
  }

  @GrpcMethod('SigningService', 'checkDestinations')
  async handle({ destinations }: signingV1.CheckDestinationsRequest): Promise<signingV1.CheckDestinationsResponse> {
    const { length } = destinations;
    if (length > DESTINATIONS_MAX)
      throw new RefusalException(
        invalid(fieldError('destinations', `expected at most ${DESTINATIONS_MAX}, got ${length}`)),
      );
    const ids = destinations.map(({ destinationId }) => destinationId);
    const loaded = await this.#reader.loadStates(destinationStream, ids);
    const institutionIds = destinations.map(({ institutionId }) => institutionId);
    const signatories = await this.#reader.loadStates(signatoriesStream, institutionIds);
    const now = this.#runtime.now();
    const ruleOf = (asked: signingV1.DestinationRef, i: number): string =>
      usableRefusal(loaded[i]!.state, asked, now, signatories[i]!.state)?.rule ?? '';
    return { rules: destinations.map(ruleOf) };
  }
}
