import type { Metadata } from '@grpc/grpc-js';
import { type exchangeV1, fromTimestamp, type liquidityV1 } from '@finality/contracts';
import { err, type FieldError, fieldError, ok, type Principal, type Result } from '@finality/kernel';
import { BTC, type Money } from '@finality/ledger';
import { UNIT_LINE_MAX } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { type AskedChange, decideAlone } from './asked-change.ts';
import {
  checkAmount,
  checkIdempotencyKey,
  checkInstitutionId,
  checkReason,
  checkTime,
  refuseInvalid,
} from './fields.ts';
import { Gateway } from './gateway.ts';
import { showLiquidity } from './liquidity-view.ts';
import { parseUnitField } from './money.ts';

/** An operator says what an institution may owe, and until when: less, or for a shorter time. */
@Controller()
export class SetCreditLineRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('LiquidityService', 'setCreditLine')
  async handle(
    request: liquidityV1.SetCreditLineRequest,
    metadata: Metadata,
    call: object,
  ): Promise<liquidityV1.Liquidity> {
    const caller = await this.#gateway.caller(metadata, 'operator');
    await decideAlone(this.#gateway, askedCreditLine(request, caller), caller, call);
    return showLiquidity(this.#gateway, request.institutionId);
  }
}

/** @throws RefusalException */
export function askedCreditLine(request: liquidityV1.SetCreditLineRequest, { keyId }: Principal): AskedChange {
  const { institutionId, limitSats, reason, idempotencyKey } = request;
  const limit = request.limit === undefined ? undefined : parseLine(request.limit);
  refuseInvalid(
    limit === undefined || limit.ok ? undefined : limit.error,
    limit === undefined || limitSats === 0n
      ? undefined
      : fieldError('limit_sats', 'expected 0 beside a limit in another unit'),
    checkIdempotencyKey(idempotencyKey),
    checkInstitutionId('institution_id', institutionId),
    checkAmount('limit_sats', limitSats),
    checkTime('expires_at', request.expiresAt),
    checkReason(reason, 1),
  );
  const expiresAt = request.expiresAt === undefined ? undefined : fromTimestamp(request.expiresAt);
  const line = {
    institutionId,
    creditLineSats: limitSats,
    ...(limit?.ok === true && { limit: limit.value }),
    reason,
    by: keyId,
    ...(expiresAt !== undefined && { expiresAt }),
  };
  const fields = {
    version: '1',
    institution_id: institutionId,
    limit_sats: `${limitSats}`,
    limit: limit?.ok === true ? `${limit.value.amount} ${limit.value.unit}` : '',
    expires_at: expiresAt === undefined ? '' : `${expiresAt}`,
    reason,
  };
  return {
    change: { type: 'set_credit_line', request: line },
    claim: { rpc: 'SetCreditLine', key: idempotencyKey, resourceId: institutionId, fields },
  };
}

/** What may be owed in another unit than BTC; 0 is nothing. */
function parseLine({ unit, amount }: exchangeV1.Money): Result<Money, FieldError> {
  const parsed = parseUnitField(unit, 'limit.unit');
  if (!parsed.ok) return parsed;
  if (parsed.value === BTC) return err(fieldError('limit.unit', 'expected another unit than BTC: that is limit_sats'));
  if (amount >= 0n && amount <= UNIT_LINE_MAX) return ok({ unit: parsed.value, amount });
  return err(fieldError('limit.amount', `expected 0 to ${UNIT_LINE_MAX}, got ${amount}`));
}
