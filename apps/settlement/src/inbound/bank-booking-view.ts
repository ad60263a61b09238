import type { Metadata } from '@grpc/grpc-js';
import type { exchangeV1 } from '@finality/contracts';
import { type FieldError, fieldError } from '@finality/kernel';
import { knownBooking } from '@finality/settlement';
import { bankBookingMessage } from '../store/exchange-messages.ts';
import { bankBookingStream } from '../store/exchange-streams.ts';
import { checkIdempotencyKey, checkReason, refuseInvalid } from './fields.ts';
import { type Gateway, scopeOf } from './gateway.ts';

const BOOKING_ID = /^[0-9a-f]{64}$/;

export const checkBookingId = (bookingId: string): FieldError | undefined =>
  BOOKING_ID.test(bookingId)
    ? undefined
    : fieldError('booking_id', `expected 64 hexadecimal digits in lower case, got "${bookingId.slice(0, 80)}"`);

/** As it is after what was just decided. */
export async function showBooking(
  { reader }: Pick<Gateway, 'reader'>,
  bookingId: string,
): Promise<exchangeV1.BankBooking> {
  return bankBookingMessage(knownBooking((await reader.loadState(bankBookingStream, bookingId)).state));
}

const RPCS = { confirm_bank_booking: 'ConfirmBankBooking', reject_bank_booking: 'RejectBankBooking' } as const;

/** What an operator says to what another one proposed. */
export async function decideBooking(
  gateway: Gateway,
  type: keyof typeof RPCS,
  { idempotencyKey, bookingId, reason }: exchangeV1.DecideBankBookingRequest,
  metadata: Metadata,
  call: object,
): Promise<exchangeV1.BankBooking> {
  const caller = await gateway.caller(metadata, 'operator');
  refuseInvalid(checkIdempotencyKey(idempotencyKey), checkBookingId(bookingId), checkReason(reason, 1));
  const decision = { bookingId, by: caller.keyId, reason };
  await gateway.decide({ type, decision }, gateway.cause(caller, call), {
    principal: scopeOf(caller),
    rpc: RPCS[type],
    key: idempotencyKey,
    resourceId: bookingId,
    fields: { version: '1', booking_id: bookingId, reason },
  });
  return showBooking(gateway, bookingId);
}
