import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { Gateway } from './gateway.ts';
import { recoveryNow } from './recovery-view.ts';

@Controller()
export class GetRecoveryRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('OperationsService', 'getRecovery')
  async handle(_request: object, metadata: Metadata): Promise<settlementV1.Recovery> {
    await this.#gateway.caller(metadata, 'operator', 'compliance', 'auditor');
    return recoveryNow(this.#gateway.reader);
  }
}
