import type { Session } from '@finality/event-store';
import type { Maturity } from '@finality/settlement';

// What to look at once the tip has reached a height.

export async function loadMaturities(session: Session, dueHeight: number): Promise<readonly Maturity[]> {
  if (dueHeight < 0) return [];
  const rows = await session.query<{ due_height: number; kind: Maturity['kind']; id: string }>(
    'SELECT due_height, kind, id FROM maturities WHERE due_height <= $1 ORDER BY due_height, kind, id',
    [dueHeight],
  );
  return rows.map((row) => ({ dueHeight: row.due_height, kind: row.kind, id: row.id }));
}

export async function saveMaturities(
  session: Session,
  added: readonly Maturity[],
  taken: readonly Maturity[],
): Promise<void> {
  if (taken.length > 0) {
    await session.query(
      `DELETE FROM maturities m USING unnest($1::integer[], $2::text[], $3::text[]) AS t(due_height, kind, id)
       WHERE m.due_height = t.due_height AND m.kind = t.kind AND m.id = t.id`,
      columns(taken),
    );
  }
  if (added.length > 0) {
    await session.query(
      'INSERT INTO maturities (due_height, kind, id) SELECT * FROM unnest($1::integer[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING',
      columns(added),
    );
  }
}

const columns = (maturities: readonly Maturity[]): readonly unknown[] => [
  maturities.map((m) => m.dueHeight),
  maturities.map((m) => m.kind),
  maturities.map((m) => m.id),
];
