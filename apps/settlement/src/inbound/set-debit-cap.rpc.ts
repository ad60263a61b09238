import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { type FieldError, fieldError, MAX_MONEY_SATS, type Principal } from '@finality/kernel';
import { BTC, parseUnit, TRANSFER_AMOUNT_MAX, type Unit } from '@finality/ledger';
import { capKey, capOf } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { NETTING_ID, nettingStream } from '../store/streams.ts';
import { type AskedChange, decideAlone } from './asked-change.ts';
import { checkIdempotencyKey, checkInstitutionId, checkReason, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { parseUnitField } from './money.ts';
import { policyAsker } from './policy-view.ts';

/** An operator says what an institution may owe in a window; the institution itself may lower it. */
@Controller()
export class SetDebitCapRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('WindowService', 'setDebitCap')
  async handle(
    request: settlementV1.SetDebitCapRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.DebitCap> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator');
    await decideAlone(this.#gateway, askedDebitCap(request, caller), caller, call);
    return this.#shown(request.institutionId, unitOf(request));
  }

  async #shown(institutionId: string, unit: Unit): Promise<settlementV1.DebitCap> {
    const { state: netting } = await this.#gateway.reader.loadState(nettingStream, NETTING_ID);
    const cap = capOf(netting, institutionId, unit, this.#gateway.env.config.policy.debitCapSats);
    const isDefault = cap !== undefined && netting.caps[capKey(institutionId, unit)] === undefined;
    return { institutionId, unit, cap, isDefault };
  }
}

/** @throws RefusalException */
export function askedDebitCap(request: settlementV1.SetDebitCapRequest, caller: Principal): AskedChange {
  const { institutionId, cap, reason, idempotencyKey } = request;
  const parsed = parseUnitField(request.unit === '' ? BTC : request.unit, 'unit');
  const unit = unitOf(request);
  refuseInvalid(
    checkIdempotencyKey(idempotencyKey),
    checkInstitutionId('institution_id', institutionId),
    parsed.ok ? undefined : parsed.error,
    checkCap(cap, unit),
    checkReason(reason, 1),
  );
  const isOwn = policyAsker(caller, institutionId) === 'itself';
  const most = cap === undefined ? {} : { cap };
  const fields = { version: '1', institution_id: institutionId, unit, cap: `${cap}`, reason };
  return {
    change: { type: 'set_debit_cap', request: { institutionId, reason, unit, by: caller.keyId, isOwn, ...most } },
    claim: { rpc: 'SetDebitCap', key: idempotencyKey, resourceId: institutionId, fields },
  };
}

/** None that isn't registered is decided on. */
const unitOf = ({ unit }: settlementV1.SetDebitCapRequest): Unit => parseUnit(unit) ?? BTC;

function checkCap(cap: bigint | undefined, unit: Unit): FieldError | undefined {
  const most = unit === BTC ? MAX_MONEY_SATS : TRANSFER_AMOUNT_MAX;
  if (cap === undefined || (cap >= 0n && cap <= most)) return undefined;
  return fieldError('cap', `expected 0 to ${most}, got ${cap}`);
}
