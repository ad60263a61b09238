import type { Metadata } from '@grpc/grpc-js';
import { fromTimestamp, type liquidityV1 } from '@finality/contracts';
import type { Principal } from '@finality/kernel';
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
  refuseInvalid(
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
    reason,
    by: keyId,
    ...(expiresAt !== undefined && { expiresAt }),
  };
  const fields = {
    version: '1',
    institution_id: institutionId,
    limit_sats: `${limitSats}`,
    expires_at: expiresAt === undefined ? '' : `${expiresAt}`,
    reason,
  };
  return {
    change: { type: 'set_credit_line', request: line },
    claim: { rpc: 'SetCreditLine', key: idempotencyKey, resourceId: institutionId, fields },
  };
}
