import type { addressV1 } from '@finality/contracts';
import { Authenticator, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { DestinationRegistry } from '../destination-registry.ts';
import { AUTHENTICATOR, DESTINATIONS } from '../tokens.ts';
import { askedBy } from './asked.ts';
import { signatoryMessage } from './list-signatories.rpc.ts';
import { doerOf, Fields, requireActingFor } from './validation.ts';

/** Who doesn't sign for an institution any more, from now on. */
@Controller()
export class RevokeSignatoryRpc {
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

  @GrpcMethod('DestinationService', 'revokeSignatory')
  async handle(
    request: addressV1.RevokeSignatoryRequest,
    metadata: Metadata,
    call: object,
  ): Promise<addressV1.Signatory> {
    const principal = await this.#authenticator.caller(metadata, 'institution', 'operator');
    const { idempotencyKey, institutionId, address, revocation } = request;
    const fields = new Fields();
    fields.idempotencyKey(idempotencyKey);
    fields.id('institution_id', institutionId);
    fields.id('address', address);
    fields.statement('revocation', revocation);
    fields.done();
    requireActingFor(principal, institutionId, ['operator']);
    const asked = askedBy(principal, 'RevokeSignatory', idempotencyKey, call, this.#env.runtime);
    const revoked = await this.#registry.revokeSignatory(
      { institutionId, address, revocation },
      doerOf(principal),
      asked,
    );
    return signatoryMessage(institutionId, revoked);
  }
}
