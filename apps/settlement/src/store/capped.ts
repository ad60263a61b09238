import type { Batch, Session } from '@finality/event-store';
import type { Unit } from '@finality/ledger';
import {
  capKey,
  CappedPositions,
  type CappedPlace,
  capOf,
  type CurrentWindow,
  legsOf,
  type Netting,
  type SettlementPolicy,
} from '@finality/settlement';
import type { Needs } from './needs.ts';
import { NETTING_ID, nettingStream, settlementStream } from './streams.ts';

/** What an institution may have a cap on. */
export interface Capped {
  readonly institutionId: string;
  readonly unit: Unit;
}

/** Who gives what with these CENTRALIZED settlements: the payer, or who has quoted what he pays with. */
function giversIn(batch: Batch, settlementIds: Iterable<string>): readonly Capped[] {
  const givers: Capped[] = [];
  for (const id of settlementIds) {
    const settlement = batch.state(settlementStream, id);
    if (settlement.status === 'none' || settlement.terms.mode !== 'centralized') continue;
    for (const { from, money } of legsOf(settlement.terms)) givers.push({ institutionId: from, unit: money.unit });
  }
  return givers;
}

/** Of those that may pay in a batch, or get a cap, by what it has been loaded with. */
export function cappedIn(
  batch: Batch,
  { reserving, settlements, windows }: Pick<Needs, 'reserving' | 'settlements' | 'windows'>,
  { debitCapSats }: Pick<SettlementPolicy, 'debitCapSats'>,
): readonly CappedPlace[] {
  // With what reserves, others of its line may.
  const givers = giversIn(batch, reserving.size === 0 ? [] : settlements);
  if (givers.length + windows.capping.length === 0) return [];
  const netting = batch.state(nettingStream, NETTING_ID);
  return placesOf(netting, [...cappedOf(netting, givers, debitCapSats), ...windows.capping]);
}

/** Where those that have a cap may owe something: mostly nowhere. */
export const cappedPlaces = (
  netting: Netting,
  balances: Iterable<Capped>,
  everybodySats: SettlementPolicy['debitCapSats'],
): readonly CappedPlace[] => placesOf(netting, cappedOf(netting, balances, everybodySats));

const cappedOf = (
  netting: Netting,
  balances: Iterable<Capped>,
  everybodySats: SettlementPolicy['debitCapSats'],
): readonly Capped[] =>
  [...balances].filter(({ institutionId, unit }) => capOf(netting, institutionId, unit, everybodySats) !== undefined);

function placesOf({ multilateral, pairs }: Netting, balances: readonly Capped[]): readonly CappedPlace[] {
  if (balances.length === 0) return [];
  const capped = [...new Map(balances.map((each) => [capKey(each.institutionId, each.unit), each])).values()];
  const ofAll = multilateral === undefined ? [] : capped.map((each) => placeIn(multilateral, each));
  const ofPairs = Object.values(pairs).flatMap((pair) =>
    pair.status === 'agreed'
      ? capped
          .filter(({ institutionId }) => pair.institutions.includes(institutionId))
          .map((each) => placeIn(pair.window, each))
      : [],
  );
  return [...ofAll, ...ofPairs];
}

const placeIn = ({ windowId }: CurrentWindow, { institutionId, unit }: Capped): CappedPlace => ({
  windowId,
  institutionId,
  unit,
});

/** Positions there: nothing is asked where nobody has a cap. */
export async function loadCapped(
  session: Pick<Session, 'query'>,
  places: readonly CappedPlace[],
): Promise<CappedPositions> {
  if (places.length === 0) return new CappedPositions();
  const rows = await session.query<{ window_id: string; institution_id: string; unit: Unit; net: string }>(
    `SELECT window_id, institution_id, unit, coalesce(received - paid, 0)::text AS net
     FROM unnest($1::text[], $2::text[], $3::text[]) AS place (window_id, institution_id, unit)
       LEFT JOIN window_positions USING (window_id, institution_id, unit)`,
    [
      places.map(({ windowId }) => windowId),
      places.map(({ institutionId }) => institutionId),
      places.map(({ unit }) => unit),
    ],
  );
  return new CappedPositions(
    rows.map((row) => ({
      windowId: row.window_id,
      institutionId: row.institution_id,
      unit: row.unit,
      net: BigInt(row.net),
    })),
  );
}
