import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkIdempotencyKey, checkInstitutionId, checkReason, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { policyAsker, showCounterparties } from './policy-view.ts';

/** Whether an institution pays anyone, or only those on its list. */
@Controller()
export class RestrictCounterpartiesRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('PolicyService', 'restrictCounterparties')
  async handle(
    request: settlementV1.RestrictCounterpartiesRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.CounterpartyList> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator');
    const { institutionId, restricted, reason, idempotencyKey } = request;
    refuseInvalid(
      checkIdempotencyKey(idempotencyKey),
      checkInstitutionId('institution_id', institutionId),
      checkReason(reason, 1),
    );
    const isOwn = policyAsker(caller, institutionId) === 'itself';
    const asked = { institutionId, isRestricted: restricted, reason, by: caller.keyId, isOwn };
    await this.#gateway.decide({ type: 'restrict_counterparties', request: asked }, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'RestrictCounterparties',
      key: idempotencyKey,
      resourceId: institutionId,
      fields: { version: '1', institution_id: institutionId, restricted: `${restricted}`, reason },
    });
    return showCounterparties(this.#gateway, institutionId);
  }
}
