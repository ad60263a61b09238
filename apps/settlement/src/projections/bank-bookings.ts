import type { Session, States, StoredEvent } from '@finality/event-store';
import { bigintColumn } from '@finality/service';
import { EntitySchema } from 'typeorm';
import { bankBookingStream } from '../store/exchange-streams.ts';
import { changed } from './streams.ts';

/** Lines of banks' statements, in the order in which they were first proposed. */
export interface BankBookingRow {
  readonly bookingId: string;
  readonly institutionId: string;
  readonly status: string;
  readonly createdPosition: bigint;
}

export const bankBookingEntity = new EntitySchema<BankBookingRow>({
  name: 'bank_booking',
  tableName: 'bank_bookings',
  columns: {
    bookingId: { type: 'text', primary: true, name: 'booking_id' },
    institutionId: { type: 'text', name: 'institution_id' },
    status: { type: 'text' },
    createdPosition: { type: 'bigint', name: 'created_position', transformer: bigintColumn },
  },
});

export const bankBookingTables = (schema: string): readonly string[] => [
  `CREATE TABLE ${schema}.bank_bookings (
    booking_id text PRIMARY KEY, institution_id text NOT NULL, status text NOT NULL, created_position bigint NOT NULL)`,
  `CREATE INDEX bank_bookings_institution ON ${schema}.bank_bookings (institution_id, created_position)`,
  `CREATE INDEX bank_bookings_created ON ${schema}.bank_bookings (created_position)`,
];

export async function saveBankBookings(
  session: Session,
  events: readonly StoredEvent[],
  states: States,
): Promise<void> {
  const rows = [...changed(events, bankBookingStream.aggregate.name)].flatMap(([id, { first }]) => {
    const state = states.state(bankBookingStream, id);
    return state.status === 'none' ? [] : [{ ...state, id, first }];
  });
  if (rows.length === 0) return;
  await session.query(
    `INSERT INTO bank_bookings (booking_id, institution_id, status, created_position)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
     ON CONFLICT (booking_id) DO UPDATE SET institution_id = excluded.institution_id, status = excluded.status`,
    [
      rows.map(({ id }) => id),
      rows.map(({ line }) => line.institutionId),
      rows.map(({ status }) => status),
      rows.map(({ first }) => first),
    ],
  );
}
