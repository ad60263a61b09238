import type { signingV1 } from '@finality/contracts';
import type { Runtime } from '@finality/kernel';
import { execute, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import { INPUTS_MAX } from '@finality/signing';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { causeOfCall } from '../cause.ts';
import { SIGNER_STORE, type SignerStore } from '../tokens.ts';
import { StatementFields } from './statement-fields.ts';

/** Once it has answered, another lineage gets a signature for these coins, and this one none. */
@Controller()
export class ReleaseCoinsRpc {
  readonly #store: SignerStore;
  readonly #runtime: Runtime;

  constructor(@Inject(SIGNER_STORE) store: SignerStore, @Inject(SERVICE_ENV) env: ServiceEnv) {
    this.#store = store;
    this.#runtime = env.runtime;
  }

  @GrpcMethod('SigningService', 'releaseCoins')
  async handle(request: signingV1.ReleaseCoinsRequest): Promise<signingV1.ReleaseCoinsResponse> {
    const fields = new StatementFields();
    const lineageId = fields.id(request.lineageId, 'lineage_id');
    fields.count(request.outpoints, INPUTS_MAX, 'outpoints');
    const outpoints = request.outpoints.slice(0, INPUTS_MAX).map((each, i) => fields.outpoint(each, `outpoints[${i}]`));
    const proposedBy = fields.id(request.proposedBy, 'proposed_by');
    const confirmedBy = fields.id(request.confirmedBy, 'confirmed_by');
    fields.done();
    const { reason } = request;
    const body = { kind: 'release_coins', lineageId, outpoints, proposedBy, confirmedBy, reason } as const;
    await execute(this.#store, { body, cause: causeOfCall(this.#runtime, 'settlement', lineageId) });
    return {};
  }
}
