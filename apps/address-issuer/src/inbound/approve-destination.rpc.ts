import type { addressV1 } from '@finality/contracts';
import { Authenticator, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { destinationMessage, statementOf } from '../destination-messages.ts';
import type { DestinationRegistry } from '../destination-registry.ts';
import { AUTHENTICATOR, DESTINATIONS } from '../tokens.ts';
import { askedBy } from './asked.ts';
import { doerOf, Fields } from './validation.ts';

/** The second of two people; the signer verifies both, and its cooling time begins. */
@Controller()
export class ApproveDestinationRpc {
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

  @GrpcMethod('DestinationService', 'approveDestination')
  async handle(
    request: addressV1.ApproveDestinationRequest,
    metadata: Metadata,
    call: object,
  ): Promise<addressV1.Destination> {
    const { runtime } = this.#env;
    const principal = await this.#authenticator.caller(metadata, 'institution');
    const { idempotencyKey, destinationId, approval } = request;
    const fields = new Fields();
    fields.idempotencyKey(idempotencyKey);
    fields.id('destination_id', destinationId);
    fields.statement('approval', approval);
    fields.done();
    const asked = askedBy(principal, 'ApproveDestination', idempotencyKey, call, runtime);
    const doer = doerOf(principal);
    return destinationMessage(
      await this.#registry.approve(destinationId, statementOf(approval), doer, asked),
      runtime.now(),
    );
  }
}
