import type { Metadata } from '@grpc/grpc-js';
import type { exchangeV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkId, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { showQuote } from './rate-view.ts';

@Controller()
export class GetQuoteRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('ExchangeService', 'getQuote')
  async handle({ quoteId }: exchangeV1.GetQuoteRequest, metadata: Metadata): Promise<exchangeV1.Quote> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    refuseInvalid(checkId('quote_id', quoteId));
    return showQuote(this.#gateway, quoteId, caller);
  }
}
