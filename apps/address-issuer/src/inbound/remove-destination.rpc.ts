import type { addressV1 } from '@finality/contracts';
import { Authenticator, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { destinationMessage } from '../destination-messages.ts';
import type { DestinationRegistry } from '../destination-registry.ts';
import { AUTHENTICATOR, DESTINATIONS } from '../tokens.ts';
import { askedBy } from './asked.ts';
import { doerOf, Fields } from './validation.ts';

/** At once: when it answers, the signer has removed it. */
@Controller()
export class RemoveDestinationRpc {
  readonly #registry: DestinationRegistry;
  readonly #authenticator: Authenticator;
  readonly #env: ServiceEnv;

  constructor(
    @Inject(DESTINATIONS) registry: DestinationRegistry,
    @Inject(AUTHENTICATOR) authenticator: Authenticator,
    @Inject(SERVICE_ENV) env: ServiceEnv,
  ) {
    this.#registry = registry;
    this.#authenticator = authenticator;
    this.#env = env;
  }

  @GrpcMethod('DestinationService', 'removeDestination')
  async handle(
    request: addressV1.RemoveDestinationRequest,
    metadata: Metadata,
    call: object,
  ): Promise<addressV1.Destination> {
    const { runtime } = this.#env;
    const principal = await this.#authenticator.caller(metadata, 'institution', 'operator', 'compliance');
    const { idempotencyKey, destinationId } = request;
    const fields = new Fields();
    fields.idempotencyKey(idempotencyKey);
    fields.id('destination_id', destinationId);
    fields.done();
    const asked = askedBy(principal, 'RemoveDestination', idempotencyKey, call, runtime);
    return destinationMessage(await this.#registry.remove(destinationId, doerOf(principal), asked), runtime.now());
  }
}
