import { type signingV1, toTimestamp } from '@finality/contracts';
import { assert, type Runtime } from '@finality/kernel';
import { execute, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import { REQUIRED_MAX } from '@finality/signing';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { causeOfCall } from '../cause.ts';
import { SIGNER_STORE, type SignerStore } from '../tokens.ts';
import { StatementFields } from './statement-fields.ts';

/** What payouts of an institution need, as two of its signatories say. */
@Controller()
export class RequireApprovalsRpc {
  readonly #store: SignerStore;
  readonly #runtime: Runtime;

  constructor(@Inject(SIGNER_STORE) store: SignerStore, @Inject(SERVICE_ENV) env: ServiceEnv) {
    this.#store = store;
    this.#runtime = env.runtime;
  }

  @GrpcMethod('SigningService', 'requireApprovals')
  async handle(request: signingV1.RequireApprovalsRequest): Promise<signingV1.RequireApprovalsResponse> {
    const fields = new StatementFields();
    const body = {
      kind: 'require_approvals',
      institutionId: fields.id(request.institutionId, 'institution_id'),
      required: {
        aboveSats: fields.sats(request.aboveSats, 'above_sats'),
        approvals: fields.integer(request.approvals, 0, 'approvals'),
      },
      request: fields.statement(request.request, 'request'),
      approval: fields.statement(request.approval, 'approval'),
    } as const;
    fields.check(body.required.approvals <= REQUIRED_MAX, 'approvals', `expected at most ${REQUIRED_MAX}`);
    fields.done();
    const cause = causeOfCall(this.#runtime, 'address-issuer', body.institutionId);
    const answer = await execute(this.#store, { body, cause });
    assert('reply' in answer && answer.reply.kind === 'approvals', 'approvals were required');
    const { from } = answer.reply;
    return { inForceFrom: from === undefined ? undefined : toTimestamp(from) };
  }
}
