import type { Metadata } from '@grpc/grpc-js';
import { type exchangeV1, fromTimestamp } from '@finality/contracts';
import { type FieldError, fieldError, invalid, type Principal, type Result } from '@finality/kernel';
import { TRANSFER_AMOUNT_MAX } from '@finality/ledger';
import { toRpcException } from '@finality/service';
import { rateIdOf } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { type AskedChange, decideAlone } from './asked-change.ts';
import { checkIdempotencyKey, checkTime, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { parseUnitField } from './money.ts';
import { checkMaker, requireMaker, showRate } from './rate-view.ts';

/** As long as a person takes to look at what is quoted. */
const QUOTE_SECONDS_DEFAULT = 60;
const QUOTE_SECONDS_MAX = 3_600;
const SECOND_MS = 1_000;

@Controller()
export class PublishRateRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('ExchangeService', 'publishRate')
  async handle(request: exchangeV1.PublishRateRequest, metadata: Metadata, call: object): Promise<exchangeV1.Rate> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator');
    const asked = askedRate(request, caller);
    await decideAlone(this.#gateway, asked, caller, call);
    return showRate(this.#gateway, asked.claim.resourceId);
  }
}

/** @throws RefusalException */
export function askedRate(request: exchangeV1.PublishRateRequest, caller: Principal): AskedChange {
  const { idempotencyKey, makerInstitution: makerId, price, validUntil, quoteSeconds, baseMax } = request;
  const [base, counter] = [
    parseUnitField(request.baseUnit, 'base_unit'),
    parseUnitField(request.counterUnit, 'counter_unit'),
  ];
  refuseInvalid(
    checkIdempotencyKey(idempotencyKey),
    checkMaker(makerId),
    errorOf(base),
    errorOf(counter),
    checkPart('price.numerator', price?.numerator ?? 0n, 1n),
    checkPart('price.denominator', price?.denominator ?? 0n, 1n),
    validUntil === undefined ? fieldError('valid_until', 'expected a time, got nothing') : undefined,
    checkTime('valid_until', validUntil),
    quoteSeconds >= 0 && quoteSeconds <= QUOTE_SECONDS_MAX
      ? undefined
      : fieldError('quote_seconds', `expected 0 (default) to ${QUOTE_SECONDS_MAX}, got ${quoteSeconds}`),
    checkPart('base_max', baseMax, 0n),
  );
  if (!base.ok || !counter.ok || price === undefined || validUntil === undefined) throw toRpcException(invalid());
  requireMaker(caller, makerId);
  const proposal = {
    makerId,
    base: base.value,
    counter: counter.value,
    price: { numerator: price.numerator, denominator: price.denominator },
    validUntil: fromTimestamp(validUntil),
    quoteMs: (quoteSeconds === 0 ? QUOTE_SECONDS_DEFAULT : quoteSeconds) * SECOND_MS,
    ...(baseMax === 0n ? {} : { baseMax }),
    publishedBy: caller.keyId,
    isOwn: !caller.roles.includes('operator'),
  };
  const rateId = rateIdOf(makerId, base.value, counter.value);
  const fields = {
    version: '1',
    rate: rateId,
    numerator: `${price.numerator}`,
    denominator: `${price.denominator}`,
    valid_until: `${proposal.validUntil}`,
    quote_seconds: `${quoteSeconds}`,
    base_max: `${baseMax}`,
  };
  return {
    change: { type: 'publish_rate', proposal },
    claim: { rpc: 'PublishRate', key: idempotencyKey, resourceId: rateId, fields },
  };
}

const errorOf = (result: Result<unknown, FieldError>): FieldError | undefined => (result.ok ? undefined : result.error);

const checkPart = (field: string, value: bigint, least: bigint): FieldError | undefined =>
  value >= least ? undefined : fieldError(field, `expected ${least} to ${TRANSFER_AMOUNT_MAX}, got ${value}`);
