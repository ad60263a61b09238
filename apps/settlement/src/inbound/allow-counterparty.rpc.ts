import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { fieldError } from '@finality/kernel';
import { checkIdempotencyKey, checkInstitutionId, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { policyAsker, showCounterparties } from './policy-view.ts';

/** Somebody whom an institution may pay when the cooling time has passed. */
@Controller()
export class AllowCounterpartyRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('PolicyService', 'allowCounterparty')
  async handle(
    request: settlementV1.AllowCounterpartyRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.CounterpartyList> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator');
    const { institutionId, counterpartyId, idempotencyKey } = request;
    refuseInvalid(
      checkIdempotencyKey(idempotencyKey),
      checkInstitutionId('institution_id', institutionId),
      checkInstitutionId('counterparty_id', counterpartyId),
      counterpartyId === institutionId
        ? fieldError('counterparty_id', 'expected another institution than institution_id')
        : undefined,
    );
    policyAsker(caller, institutionId);
    const asked = { institutionId, counterpartyId, by: caller.keyId };
    await this.#gateway.decide({ type: 'allow_counterparty', request: asked }, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'AllowCounterparty',
      key: idempotencyKey,
      resourceId: institutionId,
      fields: { version: '1', institution_id: institutionId, counterparty_id: counterpartyId },
    });
    return showCounterparties(this.#gateway, institutionId);
  }
}
