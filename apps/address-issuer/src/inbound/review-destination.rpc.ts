import { addressV1 } from '@finality/contracts';
import { Authenticator, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { assert } from '@finality/kernel';
import { destinationMessage } from '../destination-messages.ts';
import type { DestinationRegistry } from '../destination-registry.ts';
import { AUTHENTICATOR, DESTINATIONS } from '../tokens.ts';
import { askedBy } from './asked.ts';
import { doerOf, Fields } from './validation.ts';

const DECISIONS: Readonly<Record<number, 'approve' | 'reject'>> = {
  [addressV1.DestinationDecision.DESTINATION_DECISION_APPROVE]: 'approve',
  [addressV1.DestinationDecision.DESTINATION_DECISION_REJECT]: 'reject',
};

/** A compliance officer has compared what looks alike. */
@Controller()
export class ReviewDestinationRpc {
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

  @GrpcMethod('DestinationService', 'reviewDestination')
  async handle(
    request: addressV1.ReviewDestinationRequest,
    metadata: Metadata,
    call: object,
  ): Promise<addressV1.Destination> {
    const { runtime } = this.#env;
    const principal = await this.#authenticator.caller(metadata, 'compliance');
    const { idempotencyKey, destinationId, reason } = request;
    const decision = DECISIONS[request.decision];
    const fields = new Fields();
    fields.idempotencyKey(idempotencyKey);
    fields.id('destination_id', destinationId);
    fields.reason(reason);
    if (decision === undefined) fields.add('decision', 'expected APPROVE or REJECT, got neither');
    fields.done();
    assert(decision !== undefined, 'a request without wrong fields has a decision');
    const asked = askedBy(principal, 'ReviewDestination', idempotencyKey, call, runtime);
    const reviewed = await this.#registry.review(destinationId, { decision, reason }, doerOf(principal), asked);
    return destinationMessage(reviewed, runtime.now());
  }
}
