import {
  bigintArray,
  type Session,
  type States,
  type StoredEvent,
  textArray,
  type WritingSession,
} from '@finality/event-store';
import type { Instant } from '@finality/kernel';
import { claimPath } from '@finality/ledger';
import {
  latest,
  type Lineage,
  lineageIdOf,
  paidOf,
  planOf,
  priorityOf,
  rankOf,
  type SettlementEvent,
  type Terms,
  waitsForCoins,
  type WatchedLiquidity,
} from '@finality/settlement';
import { depositStream, institutionStream, lineageStream, settlementStream } from '../store/streams.ts';

// One row per aggregate, as its last event of the batch leaves it: what lists and workers look for.

/** The id of each aggregate of that name that the batch changed, with the positions of its first and last event there. */
export function changed(events: readonly StoredEvent[], name: string): Map<string, { first: bigint; last: bigint }> {
  const found = new Map<string, { first: bigint; last: bigint }>();
  const prefix = `${name}/`;
  for (const { stream, position } of events) {
    if (!stream.startsWith(prefix)) continue;
    const id = stream.slice(prefix.length);
    found.set(id, { first: found.get(id)?.first ?? position, last: position });
  }
  return found;
}

/** What it waits in line with. A net payout, which waits for the pool's coins, holds up nobody. */
const payerClaim = ({ payer, netPayout }: Terms): string =>
  netPayout === undefined ? claimPath(payer) : `${claimPath(payer)}/payout`;

/** By themselves they change nothing that a row has: whatever follows from them is an event of its own. */
const IN_NO_ROW: ReadonlySet<string> = new Set<SettlementEvent['type']>(['risk_assessed', 'aml_assessed']);

export function saveSettlements(session: WritingSession, events: readonly StoredEvent[], states: States): void {
  const shown = (events as readonly StoredEvent<SettlementEvent>[]).filter(({ data }) => !IN_NO_ROW.has(data.type));
  const rows = [...changed(shown, settlementStream.aggregate.name)].flatMap(([id, positions]) => {
    const state = states.state(settlementStream, id);
    return state.status === 'none' ? [] : [{ state, ...positions }];
  });
  if (rows.length === 0) return;
  session.send(
    `INSERT INTO settlements (settlement_id, from_institution, to_institution, status, waits_for_coins, mode, amount, exchanges, queue_rank, payer_claim, lineage_id, created_at, created_position, updated_position)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::text[], $7::bigint[], $8::boolean[], $9::smallint[], $10::text[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[])
     ON CONFLICT (settlement_id) DO UPDATE SET status = excluded.status, waits_for_coins = excluded.waits_for_coins, queue_rank = excluded.queue_rank, lineage_id = excluded.lineage_id, updated_position = excluded.updated_position`,
    [
      textArray(rows.map(({ state }) => state.terms.settlementId)),
      textArray(rows.map(({ state }) => state.terms.from)),
      textArray(rows.map(({ state }) => state.terms.to)),
      textArray(rows.map(({ state }) => state.status)),
      rows.map(({ state }) => waitsForCoins(state)),
      textArray(rows.map(({ state }) => state.terms.mode)),
      bigintArray(rows.map(({ state }) => paidOf(state.terms).amount)),
      rows.map(({ state }) => state.terms.units?.exchange !== undefined),
      rows.map(({ state }) => rankOf(priorityOf(state))),
      textArray(rows.map(({ state }) => payerClaim(state.terms))),
      textArray(rows.map(({ state }) => lineageIdOf(state))),
      bigintArray(rows.map(({ state }) => state.createdAt)),
      bigintArray(rows.map(({ first }) => first)),
      bigintArray(rows.map(({ last }) => last)),
    ],
    'save-settlements',
  );
}

export async function saveInstitutions(
  session: Session,
  events: readonly StoredEvent[],
  states: States,
): Promise<void> {
  const rows = [...changed(events, institutionStream.aggregate.name)].flatMap(([id, { first }]) => {
    const state = states.state(institutionStream, id);
    return state.status === 'none' ? [] : [{ state, first }];
  });
  if (rows.length === 0) return;
  await session.query(
    `INSERT INTO institutions (institution_id, name, status, watched, created_position)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::bigint[])
     ON CONFLICT (institution_id) DO UPDATE SET status = excluded.status, watched = excluded.watched`,
    [
      rows.map(({ state }) => state.institutionId),
      rows.map(({ state }) => state.name),
      rows.map(({ state }) => state.status),
      rows.map(({ state }) => (state.watched.length === 0 ? null : JSON.stringify(state.watched.map(watchedRow)))),
      rows.map(({ first }) => first),
    ],
  );
}

/** As {@link WATCHED} reads it: what is more than a double counts stays exact in a string. */
const watchedRow = ({ unit, level, alerts }: WatchedLiquidity): Readonly<Record<string, string>> => ({
  unit,
  level,
  warn_below: `${alerts.warnBelow}`,
  critical_below: `${alerts.criticalBelow}`,
});

/** Clearing balances that somebody wants to be told of; those of nobody else are looked at. */
export const WATCHED = `institutions CROSS JOIN LATERAL
  jsonb_to_recordset(watched) AS balance (unit text, level text, warn_below bigint, critical_below bigint)`;

export async function saveLineages(session: Session, events: readonly StoredEvent[], states: States): Promise<void> {
  const rows = [...changed(events, lineageStream.aggregate.name)].flatMap(([id, { first }]) => {
    const state = states.state(lineageStream, id);
    return state.status === 'none' ? [] : [{ state, first }];
  });
  if (rows.length === 0) return;
  await session.query(
    `INSERT INTO lineages (lineage_id, wallet_id, consolidates, status, offer_at, to_sign, releasing, planned_position)
     SELECT * FROM unnest($1::text[], $2::text[], $3::boolean[], $4::text[], $5::bigint[], $6::boolean[], $7::boolean[], $8::bigint[])
     ON CONFLICT (lineage_id) DO UPDATE SET status = excluded.status, offer_at = excluded.offer_at, to_sign = excluded.to_sign,
       releasing = excluded.releasing`,
    [
      rows.map(({ state }) => ('plan' in state ? state.plan : state).lineageId),
      rows.map(({ state }) => ('plan' in state ? state.plan : state).walletId),
      rows.map(({ state }) => ('plan' in state ? state.plan : state).consolidates ?? false),
      rows.map(({ state }) => state.status),
      rows.map(({ state }) => offerAt(state)),
      rows.map(({ state }) => state.status === 'offered' && state.custodial && latest(state).signedHex === undefined),
      rows.map(({ state }) => 'versions' in state && state.release?.confirmedBy !== undefined),
      rows.map(({ first }) => first),
    ],
  );
}

/** What is planned and has its addresses waits for its payer to ask for it. */
function offerAt(lineage: Lineage): Instant | null {
  const plan = planOf(lineage);
  return plan === undefined || plan.destinations !== undefined ? null : plan.offerAt;
}

/** Transactions that were offered, and the lineage that each is a version of. */
export async function saveVersions(session: Session, versions: ReadonlyMap<string, string>): Promise<void> {
  if (versions.size === 0) return;
  await session.query('INSERT INTO lineage_versions (txid, lineage_id) SELECT * FROM unnest($1::text[], $2::text[])', [
    [...versions.keys()],
    [...versions.values()],
  ]);
}

export async function saveDeposits(session: Session, events: readonly StoredEvent[], states: States): Promise<void> {
  const rows = [...changed(events, depositStream.aggregate.name)].flatMap(([id, { first }]) => {
    const state = states.state(depositStream, id);
    return state.status === 'none' ? [] : [{ ...state, first }];
  });
  if (rows.length === 0) return;
  await session.query(
    `INSERT INTO deposits (outpoint, txid, wallet_id, script, status, suspense, institution_id, created_position)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[])
     ON CONFLICT (outpoint) DO UPDATE SET status = excluded.status, suspense = excluded.suspense, institution_id = excluded.institution_id`,
    [
      rows.map(({ terms }) => terms.outpoint),
      rows.map(({ terms }) => terms.txid),
      rows.map(({ terms }) => terms.walletId),
      rows.map(({ terms }) => terms.script),
      rows.map(({ status }) => status),
      rows.map(({ beneficiary }) => (beneficiary.kind === 'suspense' ? beneficiary.reason : null)),
      rows.map(({ beneficiary }) => (beneficiary.kind === 'institution' ? beneficiary.institutionId : null)),
      rows.map(({ first }) => first),
    ],
  );
}
