import type { Metadata } from '@grpc/grpc-js';
import type { liquidityV1 } from '@finality/contracts';
import { type FieldError, fieldError } from '@finality/kernel';
import { HAIRCUT_MAX_BPS } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { showCollateral } from './collateral-view.ts';
import { checkIdempotencyKey, checkInstitutionId, checkReason, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';

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
    await this.#gateway.decide(
      { type: 'set_credit_terms', request: { institutionId, terms, reason, by: caller.keyId } },
      this.#gateway.cause(caller, call),
      {
        principal: scopeOf(caller),
        rpc: 'SetCreditTerms',
        key: idempotencyKey,
        resourceId: institutionId,
        fields: {
          version: '1',
          institution_id: institutionId,
          haircut_bps: `${haircutBps ?? ''}`,
          due_after_seconds: `${dueAfterSeconds ?? ''}`,
          reason,
        },
      },
    );
    return showCollateral(this.#gateway, institutionId);
  }
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
