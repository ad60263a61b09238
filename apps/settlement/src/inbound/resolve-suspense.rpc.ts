import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkIdempotencyKey, checkInstitutionId, checkReason, checkText, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { checkOutpoint, showResolution } from './suspense-view.ts';

const EVIDENCE_MAX = 500;

/** Somebody knows whose a deposit in suspense is; another one has to agree. */
@Controller()
export class ResolveSuspenseRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('OperationsService', 'resolveSuspense')
  async handle(
    { idempotencyKey, outpoint, institutionId, reason, evidence }: settlementV1.ResolveSuspenseRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.SuspenseResolution> {
    const caller = await this.#gateway.caller(metadata, 'operator', 'compliance');
    refuseInvalid(
      checkIdempotencyKey(idempotencyKey),
      checkOutpoint(outpoint),
      checkInstitutionId('institution_id', institutionId),
      checkReason(reason, 1),
      checkText('evidence', evidence, 1, EVIDENCE_MAX),
    );
    const request = { outpoint, institutionId, by: caller.keyId, reason, evidence };
    await this.#gateway.decide({ type: 'resolve_suspense', request }, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'ResolveSuspense',
      key: idempotencyKey,
      resourceId: outpoint,
      fields: { version: '1', outpoint, institution_id: institutionId, reason, evidence },
    });
    return showResolution(this.#gateway, outpoint);
  }
}
