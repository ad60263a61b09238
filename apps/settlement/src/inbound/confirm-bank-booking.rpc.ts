import type { Metadata } from '@grpc/grpc-js';
import type { exchangeV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { decideBooking } from './bank-booking-view.ts';
import { Gateway } from './gateway.ts';

/** The second of two persons; never the one who proposed it. */
@Controller()
export class ConfirmBankBookingRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('CashService', 'confirmBankBooking')
  handle(
    request: exchangeV1.DecideBankBookingRequest,
    metadata: Metadata,
    call: object,
  ): Promise<exchangeV1.BankBooking> {
    return decideBooking(this.#gateway, 'confirm_bank_booking', request, metadata, call);
  }
}
