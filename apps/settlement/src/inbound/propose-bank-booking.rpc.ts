import type { Metadata } from '@grpc/grpc-js';
import { exchangeV1 } from '@finality/contracts';
import { fieldError, invalid } from '@finality/kernel';
import { toRpcException } from '@finality/service';
import { bankBookingId, type BankLine } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { showBooking } from './bank-booking-view.ts';
import { checkIdempotencyKey, checkInstitutionId, checkReason, checkText, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { parseBankMoney } from './money.ts';

/** ISO 20022 allows as many for remittance information that isn't structured. */
const STATEMENT_LINE_MAX = 140;

/** The first of two persons: a line of a bank's statement is to be booked. */
@Controller()
export class ProposeBankBookingRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('CashService', 'proposeBankBooking')
  async handle(
    request: exchangeV1.ProposeBankBookingRequest,
    metadata: Metadata,
    call: object,
  ): Promise<exchangeV1.BankBooking> {
    const caller = await this.#gateway.caller(metadata, 'operator');
    const { idempotencyKey, institutionId, statementLine, reason } = request;
    const direction = BANK_LINE_DIRECTIONS[request.direction];
    const money = parseBankMoney(request.amount, 'amount');
    refuseInvalid(
      checkIdempotencyKey(idempotencyKey),
      direction === undefined ? fieldError('direction', 'expected IN or OUT, got neither') : undefined,
      checkInstitutionId('institution_id', institutionId),
      money.ok ? undefined : money.error,
      checkText('statement_line', statementLine, 1, STATEMENT_LINE_MAX),
      checkReason(reason, 1),
    );
    if (!money.ok || direction === undefined) throw toRpcException(invalid());
    const proposal = { direction, institutionId, money: money.value, statementLine, reason, proposedBy: caller.keyId };
    const bookingId = bankBookingId(money.value.unit, statementLine);
    await this.#gateway.decide({ type: 'propose_bank_booking', proposal }, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'ProposeBankBooking',
      key: idempotencyKey,
      resourceId: bookingId,
      fields: {
        version: '1',
        direction,
        institution_id: institutionId,
        unit: money.value.unit,
        amount: `${money.value.amount}`,
        statement_line: statementLine,
        reason,
      },
    });
    return showBooking(this.#gateway, bookingId);
  }
}

const { BankDirection } = exchangeV1;
export const BANK_LINE_DIRECTIONS: Readonly<Record<number, BankLine['direction']>> = {
  [BankDirection.BANK_DIRECTION_IN]: 'in',
  [BankDirection.BANK_DIRECTION_OUT]: 'out',
};
