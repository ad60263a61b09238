import type { Session, States, StoredEvent } from '@finality/event-store';
import { type AccountId, parseAccountId, type Unit } from '@finality/ledger';
import { type Default, lineIn, owedTo, stillOwed, UNWOUND_PER_STEP_MAX } from '@finality/settlement';
import { defaultStream } from '../store/credit-streams.ts';
import { changed } from './streams.ts';

/** What defaults are listed by. */
export const defaultTables = (schema: string): readonly string[] => [
  `CREATE TABLE ${schema}.defaults (
    default_id text PRIMARY KEY, institution_id text NOT NULL, unit text NOT NULL, status text NOT NULL, still_owed bigint NOT NULL, declared_position bigint NOT NULL)`,
  `CREATE INDEX defaults_declared ON ${schema}.defaults (declared_position)`,
];

export async function saveDefaults(session: Session, events: readonly StoredEvent[], states: States): Promise<void> {
  const rows = [...changed(events, defaultStream.aggregate.name)].flatMap(([id, { first }]) => {
    const state = states.state(defaultStream, id);
    return state.status === 'none' ? [] : [{ ...state, first }];
  });
  if (rows.length === 0) return;
  await session.query(
    `INSERT INTO defaults (default_id, institution_id, unit, status, still_owed, declared_position)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
     ON CONFLICT (default_id) DO UPDATE SET status = excluded.status, still_owed = excluded.still_owed`,
    [
      rows.map(({ defaultId }) => defaultId),
      rows.map(({ institutionId }) => institutionId),
      rows.map(({ unit }) => unit),
      rows.map(({ status }) => status),
      rows.map((state) => owedTo(stillOwed(state))),
      rows.map(({ first }) => first),
    ],
  );
}

interface PlacedRow {
  readonly settlement_id: string;
  readonly created_position: bigint;
}

/** CENTRALIZED settlements of the defaulter in the unit that something has happened to since the window opened, newest first, from where the last step stopped. */
export async function loadUnwindable(
  session: Session,
  { institutionId, unit, windowId, belowPlace }: Exclude<Default, { status: 'none' }>,
): Promise<readonly { readonly settlementId: string; readonly place: bigint }[]> {
  const rows = await session.query<PlacedRow>(
    `SELECT settlement_id, created_position FROM settlements
     WHERE from_institution = $1 AND payer_claim = $2 AND mode = 'centralized' AND NOT exchanges AND status = 'settled'
       AND ($3::bigint IS NULL OR created_position < $3) AND updated_position >= (SELECT opened_position FROM windows WHERE window_id = $4)
     ORDER BY created_position DESC LIMIT ${UNWOUND_PER_STEP_MAX}`,
    [institutionId, lineIn(institutionId, unit), belowPlace ?? null, windowId],
  );
  return rows.map((row) => ({ settlementId: row.settlement_id, place: row.created_position }));
}

/** Institutions that may have contributed to the default fund, by unit. */
export async function loadContributors(
  session: Session,
  units: readonly Unit[],
): Promise<ReadonlyMap<Unit, readonly string[]>> {
  const rows = await session.query<{ id: AccountId }>(
    `SELECT id FROM ledger_accounts WHERE starts_with(id, 'default_fund/') AND unit = ANY($1::text[]) AND credits_posted > debits_posted`,
    [units],
  );
  const found = rows.flatMap(({ id }) => {
    const name = parseAccountId(id);
    return name.kind === 'pledge' ? [name] : [];
  });
  const byUnit = Map.groupBy(found, ({ unit }) => unit);
  return new Map([...byUnit].map(([unit, names]) => [unit, names.map(({ institutionId }) => institutionId)]));
}
