import type { Metadata } from '@grpc/grpc-js';
import type { liquidityV1 } from '@finality/contracts';
import { refusal } from '@finality/kernel';
import { toRpcException } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { defaultStream } from '../store/credit-streams.ts';
import { defaultMessage } from '../store/default-message.ts';
import { checkId, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';

@Controller()
export class GetDefaultRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('DefaultService', 'getDefault')
  async handle({ defaultId }: liquidityV1.GetDefaultRequest, metadata: Metadata): Promise<liquidityV1.Default> {
    await this.#gateway.caller(metadata, 'operator', 'compliance', 'auditor');
    refuseInvalid(checkId('default_id', defaultId));
    const { state } = await this.#gateway.reader.loadState(defaultStream, defaultId);
    if (state.status !== 'none') return defaultMessage(state);
    throw toRpcException(refusal('not_found', 'UNKNOWN_DEFAULT', `no default ${defaultId}`));
  }
}
