import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { type FieldError, fieldError, MAX_MONEY_SATS, type Principal, sats } from '@finality/kernel';
import { capOf } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { NETTING_ID, nettingStream } from '../store/streams.ts';
import { type AskedChange, decideAlone } from './asked-change.ts';
import { checkIdempotencyKey, checkInstitutionId, checkReason, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
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
    return this.#shown(request.institutionId);
  }

  async #shown(institutionId: string): Promise<settlementV1.DebitCap> {
    const { state: netting } = await this.#gateway.reader.loadState(nettingStream, NETTING_ID);
    const capSats = capOf(netting, institutionId, this.#gateway.env.config.policy.debitCapSats);
    const isDefault = capSats !== undefined && netting.caps[institutionId] === undefined;
    return { institutionId, capSats, isDefault };
  }
}

/** @throws RefusalException */
export function askedDebitCap(request: settlementV1.SetDebitCapRequest, caller: Principal): AskedChange {
  const { institutionId, capSats, reason, idempotencyKey } = request;
  refuseInvalid(
    checkIdempotencyKey(idempotencyKey),
    checkInstitutionId('institution_id', institutionId),
    checkCap(capSats),
    checkReason(reason, 1),
  );
  const isOwn = policyAsker(caller, institutionId) === 'itself';
  const cap = capSats === undefined ? {} : { capSats: sats(capSats) };
  const fields = { version: '1', institution_id: institutionId, cap_sats: `${capSats}`, reason };
  return {
    change: { type: 'set_debit_cap', request: { institutionId, reason, by: caller.keyId, isOwn, ...cap } },
    claim: { rpc: 'SetDebitCap', key: idempotencyKey, resourceId: institutionId, fields },
  };
}

function checkCap(capSats: bigint | undefined): FieldError | undefined {
  if (capSats === undefined || (capSats >= 0n && capSats <= MAX_MONEY_SATS)) return undefined;
  return fieldError('cap_sats', `expected 0 to ${MAX_MONEY_SATS} sat, got ${capSats}`);
}
