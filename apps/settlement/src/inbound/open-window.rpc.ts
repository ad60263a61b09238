import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkIdempotencyKey, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { showWindow, windowFor } from './window-view.ts';

/** Netting begins. */
@Controller()
export class OpenWindowRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('WindowService', 'openWindow')
  async handle(
    request: settlementV1.OpenWindowRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.Window> {
    const caller = await this.#gateway.caller(metadata, 'operator');
    const { idempotencyKey } = request;
    refuseInvalid(checkIdempotencyKey(idempotencyKey));
    const windowId = this.#gateway.env.runtime.id();
    const decided = await this.#gateway.decide({ type: 'open_window', windowId }, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'OpenWindow',
      key: idempotencyKey,
      resourceId: windowId,
      fields: { version: '1' },
    });
    const id = 'repeated' in decided ? decided.repeated : windowId;
    return showWindow(await windowFor(this.#gateway, id, undefined), undefined);
  }
}
