import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkId, checkIdempotencyKey, checkReason, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { showWindow, windowFor } from './window-view.ts';

/** Cut-off: the next window opens in the same command, so that nobody waits for it. */
@Controller()
export class CloseWindowRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('WindowService', 'closeWindow')
  async handle(
    request: settlementV1.CloseWindowRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.Window> {
    const caller = await this.#gateway.caller(metadata, 'operator');
    const { windowId, reason, idempotencyKey } = request;
    refuseInvalid(checkIdempotencyKey(idempotencyKey), checkId('window_id', windowId), checkReason(reason, 1));
    const closing = { windowId, nextWindowId: this.#gateway.env.runtime.id(), by: caller.keyId, reason };
    await this.#gateway.decide({ type: 'close_window', closing }, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'CloseWindow',
      key: idempotencyKey,
      resourceId: windowId,
      fields: { version: '1', window_id: windowId, reason },
    });
    return showWindow(await windowFor(this.#gateway, windowId, undefined), undefined);
  }
}
