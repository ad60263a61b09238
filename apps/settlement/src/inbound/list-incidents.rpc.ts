import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { Gateway } from './gateway.ts';
import { openIncidents } from './incident-view.ts';

@Controller()
export class ListIncidentsRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('OperationsService', 'listIncidents')
  async handle(_request: object, metadata: Metadata): Promise<settlementV1.ListIncidentsResponse> {
    await this.#gateway.caller(metadata, 'operator', 'compliance', 'auditor');
    return { incidents: await openIncidents(this.#gateway.reader) };
  }
}
