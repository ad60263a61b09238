import type { signingV1 } from '@finality/contracts';
import type { Runtime } from '@finality/kernel';
import { execute, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { causeOfCall } from '../cause.ts';
import { SIGNER_STORE, type SignerStore } from '../tokens.ts';
import { StatementFields } from './statement-fields.ts';

/** Who signs for an institution, from now on. */
@Controller()
export class RegisterSignatoryRpc {
  readonly #store: SignerStore;
  readonly #runtime: Runtime;

  constructor(@Inject(SIGNER_STORE) store: SignerStore, @Inject(SERVICE_ENV) env: ServiceEnv) {
    this.#store = store;
    this.#runtime = env.runtime;
  }

  @GrpcMethod('SigningService', 'registerSignatory')
  async handle(request: signingV1.RegisterSignatoryRequest): Promise<signingV1.RegisterSignatoryResponse> {
    const fields = new StatementFields();
    const institutionId = fields.id(request.institutionId, 'institution_id');
    const address = fields.address(request.address, 'address');
    const proof = fields.statement(request.proof, 'proof');
    const endorsement = request.endorsement && fields.statement(request.endorsement, 'endorsement');
    fields.done();
    const body = {
      kind: 'register_signatory',
      institutionId,
      address,
      proof,
      ...(endorsement && { endorsement }),
    } as const;
    await execute(this.#store, { body, cause: causeOfCall(this.#runtime, 'address-issuer', institutionId) });
    return {};
  }
}
