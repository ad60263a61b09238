import type { signingV1 } from '@finality/contracts';
import type { Runtime } from '@finality/kernel';
import { execute, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { causeOfCall } from '../cause.ts';
import { SIGNER_STORE, type SignerStore } from '../tokens.ts';
import { StatementFields } from './statement-fields.ts';

/** Once it has answered, nothing that pays this destination gets its first signature. */
@Controller()
export class RemoveDestinationRpc {
  readonly #store: SignerStore;
  readonly #runtime: Runtime;

  constructor(@Inject(SIGNER_STORE) store: SignerStore, @Inject(SERVICE_ENV) env: ServiceEnv) {
    this.#store = store;
    this.#runtime = env.runtime;
  }

  @GrpcMethod('SigningService', 'removeDestination')
  async handle(request: signingV1.RemoveDestinationRequest): Promise<signingV1.RemoveDestinationResponse> {
    const fields = new StatementFields();
    const destinationId = fields.id(request.destinationId, 'destination_id');
    const institutionId = fields.id(request.institutionId, 'institution_id');
    fields.done();
    const body = { kind: 'remove_destination', destinationId, institutionId } as const;
    await execute(this.#store, { body, cause: causeOfCall(this.#runtime, 'address-issuer', destinationId) });
    return {};
  }
}
