import { type signingV1, toTimestamp } from '@finality/contracts';
import { assert, type Runtime } from '@finality/kernel';
import { execute, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { causeOfCall } from '../cause.ts';
import { SIGNER_STORE, type SignerStore } from '../tokens.ts';
import { StatementFields } from './statement-fields.ts';

/** A destination that two signatories of its institution have signed for; it cools from here on. */
@Controller()
export class RegisterDestinationRpc {
  readonly #store: SignerStore;
  readonly #runtime: Runtime;

  constructor(@Inject(SIGNER_STORE) store: SignerStore, @Inject(SERVICE_ENV) env: ServiceEnv) {
    this.#store = store;
    this.#runtime = env.runtime;
  }

  @GrpcMethod('SigningService', 'registerDestination')
  async handle(request: signingV1.RegisterDestinationRequest): Promise<signingV1.RegisterDestinationResponse> {
    const fields = new StatementFields();
    const body = {
      kind: 'register_destination',
      destinationId: fields.id(request.destinationId, 'destination_id'),
      institutionId: fields.id(request.institutionId, 'institution_id'),
      wanted: fields.place(request),
      request: fields.statement(request.request, 'request'),
      approval: fields.statement(request.approval, 'approval'),
      requestedBy: fields.id(request.requestedBy, 'requested_by'),
      approvedBy: fields.id(request.approvedBy, 'approved_by'),
    } as const;
    fields.done();
    const cause = causeOfCall(this.#runtime, 'address-issuer', body.destinationId);
    const answer = await execute(this.#store, { body, cause });
    assert('reply' in answer && answer.reply.kind === 'destination', 'a destination was registered');
    return { usableAt: toTimestamp(answer.reply.usableAt) };
  }
}
