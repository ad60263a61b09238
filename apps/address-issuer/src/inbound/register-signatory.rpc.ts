import type { addressV1 } from '@finality/contracts';
import type { Role } from '@finality/kernel';
import { Authenticator, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { DestinationRegistry } from '../destination-registry.ts';
import { AUTHENTICATOR, DESTINATIONS } from '../tokens.ts';
import { askedBy } from './asked.ts';
import { signatoryMessage } from './list-signatories.rpc.ts';
import { doerOf, Fields, requireActingFor } from './validation.ts';

/** Who signs for an institution: the first by an operator, whoever comes later endorsed by one of them. */
@Controller()
export class RegisterSignatoryRpc {
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

  @GrpcMethod('DestinationService', 'registerSignatory')
  async handle(
    request: addressV1.RegisterSignatoryRequest,
    metadata: Metadata,
    call: object,
  ): Promise<addressV1.Signatory> {
    const { runtime } = this.#env;
    const { idempotencyKey, institutionId, address, proof, endorsement } = request;
    const roles: readonly Role[] = endorsement ? ['institution', 'operator'] : ['operator'];
    const principal = await this.#authenticator.caller(metadata, ...roles);
    const fields = new Fields();
    fields.idempotencyKey(idempotencyKey);
    fields.id('institution_id', institutionId);
    fields.id('address', address);
    fields.statement('proof', proof);
    if (endorsement) fields.statement('endorsement', endorsement);
    fields.done();
    requireActingFor(principal, institutionId, ['operator']);
    const asked = askedBy(principal, 'RegisterSignatory', idempotencyKey, call, runtime);
    const wanted = { institutionId, address, proof, endorsement };
    return signatoryMessage(institutionId, await this.#registry.registerSignatory(wanted, doerOf(principal), asked));
  }
}
