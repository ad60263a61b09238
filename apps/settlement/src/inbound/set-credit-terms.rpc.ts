import type { Metadata } from '@grpc/grpc-js';
import type { liquidityV1 } from '@finality/contracts';
import { type FieldError, fieldError, type Principal } from '@finality/kernel';
import { HAIRCUT_MAX_BPS } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { type AskedChange, decideAlone } from './asked-change.ts';
import { showCollateral } from './collateral-view.ts';
import { checkIdempotencyKey, checkInstitutionId, checkReason, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';

/** An operator says what an institution's credit line rests on. */
@Controller()
export class SetCreditTermsRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('CollateralService', 'setCreditTerms')
  async handle(
    request: liquidityV1.SetCreditTermsRequest,
    metadata: Metadata,
    call: object,
  ): Promise<liquidityV1.Collateral> {
    const caller = await this.#gateway.caller(metadata, 'operator');
    await decideAlone(this.#gateway, askedCreditTerms(request, caller), caller, call);
    return showCollateral(this.#gateway, request.institutionId);
  }
}

/** @throws RefusalException */
export function askedCreditTerms(request: liquidityV1.SetCreditTermsRequest, { keyId }: Principal): AskedChange {
  const { institutionId, haircutBps, dueAfterSeconds, reason, idempotencyKey } = request;
  refuseInvalid(
    checkIdempotencyKey(idempotencyKey),
    checkInstitutionId('institution_id', institutionId),
    checkHaircut(haircutBps),
    checkDueAfter(dueAfterSeconds),
    checkReason(reason, 1),
  );
  const terms = {
    ...(haircutBps !== undefined && { haircutBps }),
    ...(dueAfterSeconds !== undefined && { dueAfterMs: dueAfterSeconds * 1_000 }),
  };
  const fields = {
    version: '1',
    institution_id: institutionId,
    haircut_bps: `${haircutBps ?? ''}`,
    due_after_seconds: `${dueAfterSeconds ?? ''}`,
    reason,
  };
  return {
    change: { type: 'set_credit_terms', request: { institutionId, terms, reason, by: keyId } },
    claim: { rpc: 'SetCreditTerms', key: idempotencyKey, resourceId: institutionId, fields },
  };
}

const checkHaircut = (haircutBps: number | undefined): FieldError | undefined =>
  haircutBps === undefined || haircutBps <= HAIRCUT_MAX_BPS
    ? undefined
    : fieldError('haircut_bps', `expected 0 to ${HAIRCUT_MAX_BPS}, got ${haircutBps}`);

/** A month: what may be owed for longer is lent. */
const DUE_AFTER_SECONDS_MAX = 31 * 86_400;

const checkDueAfter = (seconds: number | undefined): FieldError | undefined =>
  seconds === undefined || (seconds >= 1 && seconds <= DUE_AFTER_SECONDS_MAX)
    ? undefined
    : fieldError('due_after_seconds', `expected 1 to ${DUE_AFTER_SECONDS_MAX}, got ${seconds}`);
