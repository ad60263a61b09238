import type { signingV1 } from '@finality/contracts';
import type { Runtime } from '@finality/kernel';
import { execute, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { causeOfCall } from '../cause.ts';
import { SIGNER_STORE, type SignerStore } from '../tokens.ts';
import { StatementFields } from './statement-fields.ts';

/** Once it has answered, nothing that needs this signatory's word is taken. */
@Controller()
export class RevokeSignatoryRpc {
  readonly #store: SignerStore;
  readonly #runtime: Runtime;

  constructor(@Inject(SIGNER_STORE) store: SignerStore, @Inject(SERVICE_ENV) env: ServiceEnv) {
    this.#store = store;
    this.#runtime = env.runtime;
  }

  @GrpcMethod('SigningService', 'revokeSignatory')
  async handle(request: signingV1.RevokeSignatoryRequest): Promise<signingV1.RevokeSignatoryResponse> {
    const fields = new StatementFields();
    const institutionId = fields.id(request.institutionId, 'institution_id');
    const address = fields.address(request.address, 'address');
    const revocation = fields.statement(request.revocation, 'revocation');
    fields.done();
    const body = { kind: 'revoke_signatory', institutionId, address, revocation } as const;
    await execute(this.#store, { body, cause: causeOfCall(this.#runtime, 'address-issuer', institutionId) });
    return {};
  }
}
