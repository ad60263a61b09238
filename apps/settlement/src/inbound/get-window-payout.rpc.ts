import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { assert } from '@finality/kernel';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { windowPayoutStream } from '../store/streams.ts';
import { windowPayoutMessage } from '../store/window-messages.ts';
import { Gateway } from './gateway.ts';

@Controller()
export class GetWindowPayoutRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('WindowService', 'getWindowPayout')
  async handle(_request: object, metadata: Metadata): Promise<settlementV1.WindowPayout> {
    const { institutionId } = await this.#gateway.caller(metadata, 'institution');
    assert(institutionId !== undefined, 'a key of an institution says which');
    return windowPayoutMessage((await this.#gateway.reader.loadState(windowPayoutStream, institutionId)).state);
  }
}
