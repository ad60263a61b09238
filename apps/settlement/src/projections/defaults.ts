import type { Session, States, StoredEvent } from '@finality/event-store';
import { type Default, owedSatsTo, stillOwed, UNWOUND_PER_STEP_MAX } from '@finality/settlement';
import { defaultStream } from '../store/credit-streams.ts';
import { changed } from './streams.ts';

/** What defaults are listed by. */
export const defaultTables = (schema: string): readonly string[] => [
  `CREATE TABLE ${schema}.defaults (
    default_id text PRIMARY KEY, institution_id text NOT NULL, status text NOT NULL, still_owed_sats bigint NOT NULL, declared_position bigint NOT NULL)`,
  `CREATE INDEX defaults_declared ON ${schema}.defaults (declared_position)`,
];

export async function saveDefaults(session: Session, events: readonly StoredEvent[], states: States): Promise<void> {
  const rows = [...changed(events, defaultStream.aggregate.name)].flatMap(([id, { first }]) => {
    const state = states.state(defaultStream, id);
    return state.status === 'none' ? [] : [{ ...state, first }];
  });
  if (rows.length === 0) return;
  await session.query(
    `INSERT INTO defaults (default_id, institution_id, status, still_owed_sats, declared_position)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
     ON CONFLICT (default_id) DO UPDATE SET status = excluded.status, still_owed_sats = excluded.still_owed_sats`,
    [
      rows.map(({ defaultId }) => defaultId),
      rows.map(({ institutionId }) => institutionId),
      rows.map(({ status }) => status),
      rows.map((state) => owedSatsTo(stillOwed(state))),
      rows.map(({ first }) => first),
    ],
  );
}

interface PlacedRow {
  readonly settlement_id: string;
  readonly created_position: bigint;
}

/** CENTRALIZED settlements of the defaulter that something has happened to since the window opened, newest first, from where the last step stopped. */
export async function loadUnwindable(
  session: Session,
  { institutionId, windowId, belowPlace }: Exclude<Default, { status: 'none' }>,
): Promise<readonly { readonly settlementId: string; readonly place: bigint }[]> {
  const rows = await session.query<PlacedRow>(
    `SELECT settlement_id, created_position FROM settlements
     WHERE from_institution = $1 AND mode = 'centralized' AND status = 'settled' AND ($2::bigint IS NULL OR created_position < $2)
       AND updated_position >= (SELECT opened_position FROM windows WHERE window_id = $3)
     ORDER BY created_position DESC LIMIT ${UNWOUND_PER_STEP_MAX}`,
    [institutionId, belowPlace ?? null, windowId],
  );
  return rows.map((row) => ({ settlementId: row.settlement_id, place: row.created_position }));
}

/** Institutions that may have contributed to the default fund. */
export async function loadContributors(session: Session): Promise<readonly string[]> {
  const rows = await session.query<{ id: string }>(
    `SELECT id FROM ledger_accounts WHERE starts_with(id, 'default_fund/') AND credits_posted > debits_posted`,
  );
  return rows.map(({ id }) => id.slice('default_fund/'.length));
}
