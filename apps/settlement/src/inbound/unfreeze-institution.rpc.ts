import type { Metadata } from '@grpc/grpc-js';
import type { institutionV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkIdempotencyKey, checkInstitutionId, checkReason, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { showInstitution } from './institution-view.ts';

@Controller()
export class UnfreezeInstitutionRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('InstitutionService', 'unfreezeInstitution')
  async handle(
    request: institutionV1.UnfreezeInstitutionRequest,
    metadata: Metadata,
    call: object,
  ): Promise<institutionV1.Institution> {
    const caller = await this.#gateway.caller(metadata, 'operator', 'compliance');
    const { institutionId, reason, idempotencyKey } = request;
    refuseInvalid(
      checkIdempotencyKey(idempotencyKey),
      checkInstitutionId('institution_id', institutionId),
      checkReason(reason, 1),
    );
    await this.#gateway.decide(
      { type: 'unfreeze_institution', institutionId, reason },
      this.#gateway.cause(caller, call),
      {
        principal: scopeOf(caller),
        rpc: 'UnfreezeInstitution',
        key: idempotencyKey,
        resourceId: institutionId,
        fields: { version: '1', institution_id: institutionId, reason },
      },
    );
    return showInstitution(this.#gateway, institutionId);
  }
}
