import type { Session, StoredEvent } from '@finality/event-store';
import type { Label, LabelList } from '@finality/risk';
import { labelList, type LabelListEvent, scriptKey } from '@finality/risk';

/** Rows of one insert. */
const ROWS_MAX = 5_000;

interface LabelRow {
  readonly list: string;
  readonly script: string;
  readonly address: string;
  readonly category: string;
  readonly label: string;
  readonly source: string;
  readonly listed_on: string | null;
}

/** What the versions of these lists that count now say about some scripts. */
export async function readLabels(
  session: Session,
  scripts: readonly string[],
  lists: readonly string[],
): Promise<readonly Label[]> {
  if (scripts.length === 0 || lists.length === 0) return [];
  const rows = await session.query<LabelRow>(
    `SELECT l.list, l.script, l.address, l.category, l.label, l.source, l.listed_on
     FROM labels l JOIN label_lists c ON c.name = l.list AND c.version = l.version
     WHERE l.script_key = ANY ($1::text[]) AND c.name = ANY ($2::text[])
     ORDER BY l.list COLLATE "C", l.script_key, l.category COLLATE "C"`,
    [scripts.map(scriptKey), lists],
  );
  return rows.map(({ listed_on, ...row }) => (listed_on === null ? row : { ...row, listedOn: listed_on }));
}

/** What this version of the list says. Earlier versions stay, so that what was decided by them can be explained. */
export async function writeLabelList(session: Session, list: LabelList): Promise<void> {
  for (const labels of chunks(list.labels)) {
    await session.query(
      `INSERT INTO labels (list, version, script_key, script, address, category, label, source, listed_on)
       SELECT $1, $2, t.* FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[]) AS t
       ON CONFLICT DO NOTHING`,
      [
        list.name,
        list.version,
        labels.map(({ script }) => scriptKey(script)),
        labels.map(({ script }) => script),
        labels.map(({ address }) => address),
        labels.map(({ category }) => category),
        labels.map(({ label }) => label),
        labels.map(({ source }) => source),
        labels.map(({ listedOn }) => listedOn ?? null),
      ],
    );
  }
  for (const lines of chunks(list.quarantined)) {
    await session.query(
      `INSERT INTO label_quarantine (list, version, line, text, reason)
       SELECT $1, $2, t.* FROM unnest($3::integer[], $4::text[], $5::text[]) AS t ON CONFLICT DO NOTHING`,
      [
        list.name,
        list.version,
        lines.map(({ line }) => line),
        lines.map(({ text }) => text),
        lines.map(({ reason }) => reason),
      ],
    );
  }
}

/** Which version of each list counts, in the batch that loads it. */
export async function projectLabelLists(session: Session, events: readonly StoredEvent[]): Promise<void> {
  const prefix = `${labelList.name}/`;
  for (const { stream, data, position } of events as readonly StoredEvent<LabelListEvent>[]) {
    if (!stream.startsWith(prefix)) continue;
    await session.query(
      `INSERT INTO label_lists (name, version, position) VALUES ($1, $2, $3)
       ON CONFLICT (name) DO UPDATE SET version = excluded.version, position = excluded.position`,
      [stream.slice(prefix.length), data.version, position],
    );
  }
}

function* chunks<T>(rows: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < rows.length; start += ROWS_MAX) yield rows.slice(start, start + ROWS_MAX);
}
