import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { NETTING_ID, nettingStream } from '../store/streams.ts';
import { pairMessage } from '../store/window-messages.ts';
import { Gateway } from './gateway.ts';
import { participantOf } from './window-view.ts';

@Controller()
export class ListNettingPairsRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('WindowService', 'listNettingPairs')
  async handle(_request: object, metadata: Metadata): Promise<settlementV1.ListNettingPairsResponse> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    const participant = participantOf(caller);
    const { state } = await this.#gateway.reader.loadState(nettingStream, NETTING_ID);
    const pairs = Object.entries(state.pairs).sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      pairs: pairs
        .filter(([, { institutions }]) => participant === undefined || institutions.includes(participant))
        .map(([, pair]) => pairMessage(pair)),
    };
  }
}
