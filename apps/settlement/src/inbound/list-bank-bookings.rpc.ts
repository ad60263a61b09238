import type { Metadata } from '@grpc/grpc-js';
import type { exchangeV1 } from '@finality/contracts';
import { fieldError } from '@finality/kernel';
import { requireInstitution, toRpcException } from '@finality/service';
import { knownBooking } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { bankBookingEntity } from '../projections/bank-bookings.ts';
import { BANK_BOOKING_STATUSES, bankBookingMessage } from '../store/exchange-messages.ts';
import { bankBookingStream } from '../store/exchange-streams.ts';
import { checkInstitutionId, checkPageSize, pageSizeOf, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { decodePlace, encodePlace } from './page-token.ts';
import { isStaff } from './statement-accounts.ts';

/** Newest first. */
@Controller()
export class ListBankBookingsRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('CashService', 'listBankBookings')
  async handle(
    { institutionId, status: asked, pageSize, pageToken }: exchangeV1.ListBankBookingsRequest,
    metadata: Metadata,
  ): Promise<exchangeV1.ListBankBookingsResponse> {
    const { env, reader } = this.#gateway;
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    const status = Object.entries(BANK_BOOKING_STATUSES).find(([, value]) => value === asked)?.[0];
    refuseInvalid(
      institutionId === '' && isStaff(caller) ? undefined : checkInstitutionId('institution_id', institutionId),
      asked !== 0 && status === undefined
        ? fieldError('status', 'expected a status of the enum, got another number')
        : undefined,
      checkPageSize(pageSize),
    );
    if (!isStaff(caller)) {
      const own = requireInstitution(caller, institutionId);
      if (!own.ok) throw toRpcException(own.error);
    }
    const { epoch } = await reader.head();
    const query = env.readModels.getRepository(bankBookingEntity).createQueryBuilder('booking');
    if (institutionId !== '') query.andWhere('booking.institutionId = :institutionId', { institutionId });
    if (status !== undefined) query.andWhere('booking.status = :status', { status });
    if (pageToken !== '') {
      const { position } = decodePlace(pageToken, epoch, 'page_token');
      query.andWhere('booking.createdPosition < :before', { before: position.toString() });
    }
    const limit = pageSizeOf(pageSize);
    const rows = await query
      .orderBy('booking.createdPosition', 'DESC')
      .limit(limit + 1)
      .getMany();
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const ids = page.map(({ bookingId }) => bookingId);
    const states = await reader.loadStates(bankBookingStream, ids);
    return {
      bookings: states.map(({ state }) => bankBookingMessage(knownBooking(state))),
      nextPageToken:
        rows.length > limit && last !== undefined
          ? encodePlace({ position: last.createdPosition, ordinal: 0 }, epoch)
          : '',
    };
  }
}
