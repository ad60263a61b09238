import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkIdempotencyKey, checkReason, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { checkOutpoint, showResolution } from './suspense-view.ts';

/** The second of two persons; never the one who proposed it. */
@Controller()
export class ConfirmSuspenseResolutionRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('OperationsService', 'confirmSuspenseResolution')
  async handle(
    { idempotencyKey, outpoint, reason }: settlementV1.ConfirmSuspenseResolutionRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.SuspenseResolution> {
    const caller = await this.#gateway.caller(metadata, 'operator', 'compliance');
    refuseInvalid(checkIdempotencyKey(idempotencyKey), checkOutpoint(outpoint), checkReason(reason, 1));
    const request = { outpoint, by: caller.keyId, reason };
    await this.#gateway.decide({ type: 'confirm_resolution', request }, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'ConfirmSuspenseResolution',
      key: idempotencyKey,
      resourceId: outpoint,
      fields: { version: '1', outpoint, reason },
    });
    return showResolution(this.#gateway, outpoint);
  }
}
