import type { Session, States, StoredEvent } from '@finality/event-store';
import { bigintColumn } from '@finality/service';
import { EntitySchema } from 'typeorm';
import { rateStream } from '../store/exchange-streams.ts';
import { changed } from './streams.ts';

/** Rates as they are: what can be quoted at. */
export interface RateRow {
  readonly rateId: string;
  readonly makerId: string;
  readonly base: string;
  readonly counter: string;
  /** 0: withdrawn. */
  readonly validUntil: bigint;
}

export const rateEntity = new EntitySchema<RateRow>({
  name: 'rate',
  tableName: 'rates',
  columns: {
    rateId: { type: 'text', primary: true, name: 'rate_id' },
    makerId: { type: 'text', name: 'maker_id' },
    base: { type: 'text' },
    counter: { type: 'text' },
    validUntil: { type: 'bigint', name: 'valid_until', transformer: bigintColumn },
  },
});

export const rateTables = (schema: string): readonly string[] => [
  `CREATE TABLE ${schema}.rates (
    rate_id text PRIMARY KEY, maker_id text NOT NULL, base text NOT NULL, counter text NOT NULL, valid_until bigint NOT NULL)`,
];

export async function saveRates(session: Session, events: readonly StoredEvent[], states: States): Promise<void> {
  const rows = [...changed(events, rateStream.aggregate.name).keys()].flatMap((id) => {
    const state = states.state(rateStream, id);
    return state.status === 'none'
      ? []
      : [{ ...state.rate, validUntil: state.status === 'published' ? state.rate.validUntil : 0 }];
  });
  if (rows.length === 0) return;
  await session.query(
    `INSERT INTO rates (rate_id, maker_id, base, counter, valid_until)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])
     ON CONFLICT (rate_id) DO UPDATE SET valid_until = excluded.valid_until`,
    [
      rows.map(({ rateId }) => rateId),
      rows.map(({ makerId }) => makerId),
      rows.map(({ base }) => base),
      rows.map(({ counter }) => counter),
      rows.map(({ validUntil }) => validUntil),
    ],
  );
}
