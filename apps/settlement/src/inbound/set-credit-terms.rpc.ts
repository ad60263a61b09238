import type { Metadata } from '@grpc/grpc-js';
import type { liquidityV1 } from '@finality/contracts';
import { err, type FieldError, fieldError, ok, type Principal, type Result, unwrap } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import { HAIRCUT_MAX_BPS, type UnitCreditTerms } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { type AskedChange, decideAlone } from './asked-change.ts';
import { showCollateral } from './collateral-view.ts';
import { checkIdempotencyKey, checkInstitutionId, checkReason, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { parseUnitField } from './money.ts';

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
  const { institutionId, haircutBps, dueAfterSeconds, unitTerms, reason, idempotencyKey } = request;
  const units = unitTerms.map(parseUnitTerms);
  refuseInvalid(
    checkIdempotencyKey(idempotencyKey),
    checkInstitutionId('institution_id', institutionId),
    checkHaircut(haircutBps),
    checkDueAfter(dueAfterSeconds),
    ...units.flatMap((each) => (each.ok ? [] : each.error)),
    new Set(unitTerms.map(({ unit }) => unit)).size === unitTerms.length
      ? undefined
      : fieldError('unit_terms', 'expected each unit once'),
    checkReason(reason, 1),
  );
  const terms = {
    ...(haircutBps !== undefined && { haircutBps }),
    ...(dueAfterSeconds !== undefined && { dueAfterMs: dueAfterSeconds * 1_000 }),
    ...(units.length > 0 && { units: units.map((each) => unwrap(each)) }),
  };
  const fields = {
    version: '1',
    institution_id: institutionId,
    haircut_bps: `${haircutBps ?? ''}`,
    due_after_seconds: `${dueAfterSeconds ?? ''}`,
    unit_terms: unitTerms
      .map((each) => `${each.unit} ${each.haircutBps ?? ''} ${each.dueAfterSeconds ?? ''} ${each.graceSeconds ?? ''}`)
      .sort()
      .join(),
    reason,
  };
  return {
    change: { type: 'set_credit_terms', request: { institutionId, terms, reason, by: keyId } },
    claim: { rpc: 'SetCreditTerms', key: idempotencyKey, resourceId: institutionId, fields },
  };
}

/** Of one unit other than BTC. */
function parseUnitTerms(
  { unit, haircutBps, dueAfterSeconds, graceSeconds }: liquidityV1.UnitCreditTerms,
  i: number,
): Result<UnitCreditTerms, readonly FieldError[]> {
  const field = `unit_terms[${i}]`;
  const parsed = parseUnitField(unit, `${field}.unit`);
  const problems = [
    parsed.ok ? undefined : parsed.error,
    parsed.ok && parsed.value === BTC
      ? fieldError(`${field}.unit`, 'expected another unit than BTC: that is haircut_bps and due_after_seconds')
      : undefined,
    checkHaircut(haircutBps, `${field}.haircut_bps`),
    checkDueAfter(dueAfterSeconds, `${field}.due_after_seconds`),
    checkDueAfter(graceSeconds, `${field}.grace_seconds`, 0),
  ].filter((problem) => problem !== undefined);
  if (!parsed.ok || problems.length > 0) return err(problems);
  return ok({
    unit: parsed.value,
    ...(haircutBps !== undefined && { haircutBps }),
    ...(dueAfterSeconds !== undefined && { dueAfterMs: dueAfterSeconds * 1_000 }),
    ...(graceSeconds !== undefined && { graceMs: graceSeconds * 1_000 }),
  });
}

const checkHaircut = (haircutBps: number | undefined, field = 'haircut_bps'): FieldError | undefined =>
  haircutBps === undefined || haircutBps <= HAIRCUT_MAX_BPS
    ? undefined
    : fieldError(field, `expected 0 to ${HAIRCUT_MAX_BPS}, got ${haircutBps}`);

/** A month: what may be owed for longer is lent. */
const DUE_AFTER_SECONDS_MAX = 31 * 86_400;

const checkDueAfter = (seconds: number | undefined, field = 'due_after_seconds', min = 1): FieldError | undefined =>
  seconds === undefined || (seconds >= min && seconds <= DUE_AFTER_SECONDS_MAX)
    ? undefined
    : fieldError(field, `expected ${min} to ${DUE_AFTER_SECONDS_MAX}, got ${seconds}`);
