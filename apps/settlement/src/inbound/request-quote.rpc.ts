import type { Metadata } from '@grpc/grpc-js';
import type { exchangeV1 } from '@finality/contracts';
import { fieldError, invalid } from '@finality/kernel';
import { TRANSFER_AMOUNT_MAX } from '@finality/ledger';
import { requireInstitution, toRpcException } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkIdempotencyKey, checkInstitutionId, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { parseUnitField } from './money.ts';
import { checkMaker, showQuote } from './rate-view.ts';

@Controller()
export class RequestQuoteRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('ExchangeService', 'requestQuote')
  async handle(request: exchangeV1.RequestQuoteRequest, metadata: Metadata, call: object): Promise<exchangeV1.Quote> {
    const caller = await this.#gateway.caller(metadata, 'institution');
    const { idempotencyKey, institutionId, makerInstitution: makerId, sellAmount, buyAmount } = request;
    const [sell, buy] = [parseUnitField(request.sellUnit, 'sell_unit'), parseUnitField(request.buyUnit, 'buy_unit')];
    const fixed = sellAmount === undefined ? 'buy' : 'sell';
    const amount = sellAmount ?? buyAmount ?? 0n;
    refuseInvalid(
      checkIdempotencyKey(idempotencyKey),
      checkInstitutionId('institution_id', institutionId),
      checkMaker(makerId),
      sell.ok ? undefined : sell.error,
      buy.ok ? undefined : buy.error,
      amount < 1n
        ? fieldError(`${fixed}_amount`, `expected 1 to ${TRANSFER_AMOUNT_MAX} to be sold or bought, got ${amount}`)
        : undefined,
    );
    if (!sell.ok || !buy.ok) throw toRpcException(invalid());
    const own = requireInstitution(caller, institutionId);
    if (!own.ok) throw toRpcException(own.error);
    const units = { sellUnit: sell.value, buyUnit: buy.value };
    const asked = { institutionId, makerId, ...units, fixed, amount, requestedBy: caller.keyId } as const;
    const quoteId = this.#gateway.env.runtime.id();
    const command = { type: 'request_quote', request: { quoteId, ...asked } } as const;
    const decided = await this.#gateway.decide(command, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'RequestQuote',
      key: idempotencyKey,
      resourceId: quoteId,
      fields: {
        version: '1',
        institution_id: institutionId,
        maker_institution: makerId,
        sell_unit: sell.value,
        buy_unit: buy.value,
        fixed,
        amount: `${amount}`,
      },
    });
    return showQuote(this.#gateway, 'repeated' in decided ? decided.repeated : quoteId, caller);
  }
}
