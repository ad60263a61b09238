import type { Batch, Session } from '@finality/event-store';
import { BTC } from '@finality/ledger';
import {
  CappedPositions,
  capOf,
  type CurrentWindow,
  legsOf,
  type Netting,
  type SettlementPolicy,
} from '@finality/settlement';
import type { Needs } from './needs.ts';
import { NETTING_ID, nettingStream, settlementStream } from './streams.ts';

/** A window that is open, and an institution that may owe so much there. */
export interface CappedPlace {
  readonly windowId: string;
  readonly institutionId: string;
}

/** Who gives satoshi with these CENTRALIZED settlements: the payer, or who has quoted what he pays with. */
function giversIn(batch: Batch, settlementIds: Iterable<string>): ReadonlySet<string> {
  const institutionIds = new Set<string>();
  for (const id of settlementIds) {
    const settlement = batch.state(settlementStream, id);
    if (settlement.status === 'none' || settlement.terms.mode !== 'centralized') continue;
    for (const { from, money } of legsOf(settlement.terms)) if (money.unit === BTC) institutionIds.add(from);
  }
  return institutionIds;
}

/** Of those that may pay in a batch, or get a cap, by what it has been loaded with. */
export function cappedIn(
  batch: Batch,
  { reserving, settlements, windows }: Pick<Needs, 'reserving' | 'settlements' | 'windows'>,
  { debitCapSats }: Pick<SettlementPolicy, 'debitCapSats'>,
): readonly CappedPlace[] {
  // With what reserves, others of its line may.
  const givers = giversIn(batch, reserving.size === 0 ? [] : settlements);
  if (givers.size + windows.capping.size === 0) return [];
  const netting = batch.state(nettingStream, NETTING_ID);
  return placesOf(netting, new Set([...cappedOf(netting, givers, debitCapSats), ...windows.capping]));
}

/** Where those of the institutions that have a cap may owe something: mostly nowhere. */
export const cappedPlaces = (
  netting: Netting,
  institutionIds: Iterable<string>,
  everybodySats: SettlementPolicy['debitCapSats'],
): readonly CappedPlace[] => placesOf(netting, new Set(cappedOf(netting, institutionIds, everybodySats)));

const cappedOf = (
  netting: Netting,
  institutionIds: Iterable<string>,
  everybodySats: SettlementPolicy['debitCapSats'],
): readonly string[] => [...institutionIds].filter((id) => capOf(netting, id, everybodySats) !== undefined);

function placesOf({ multilateral, pairs }: Netting, capped: ReadonlySet<string>): readonly CappedPlace[] {
  if (capped.size === 0) return [];
  const ofAll = multilateral === undefined ? [] : [...capped].map((id) => placeIn(multilateral, id));
  const ofPairs = Object.values(pairs).flatMap((pair) =>
    pair.status === 'agreed'
      ? pair.institutions.filter((id) => capped.has(id)).map((id) => placeIn(pair.window, id))
      : [],
  );
  return [...ofAll, ...ofPairs];
}

const placeIn = ({ windowId }: CurrentWindow, institutionId: string): CappedPlace => ({ windowId, institutionId });

/** Positions there: nothing is asked where nobody has a cap. */
export async function loadCapped(
  session: Pick<Session, 'query'>,
  places: readonly CappedPlace[],
): Promise<CappedPositions> {
  if (places.length === 0) return new CappedPositions();
  const rows = await session.query<{ window_id: string; institution_id: string; net: string }>(
    `SELECT window_id, institution_id, coalesce(received - paid, 0)::text AS net
     FROM unnest($1::text[], $2::text[]) AS place (window_id, institution_id) LEFT JOIN (SELECT * FROM window_positions WHERE unit = '${BTC}') p USING (window_id, institution_id)`,
    [places.map(({ windowId }) => windowId), places.map(({ institutionId }) => institutionId)],
  );
  return new CappedPositions(
    rows.map((row) => ({ windowId: row.window_id, institutionId: row.institution_id, netSats: BigInt(row.net) })),
  );
}
