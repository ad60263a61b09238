import { destinationAggregate, type Destination, type DestinationEvent } from '@finality/address';
import type { Session, StoredEvent } from '@finality/event-store';
import { addressIn, placeName } from '../destinations.ts';

/** Follows the destinations' events, in the batch that appends them. */
export async function projectDestinations(session: Session, events: readonly StoredEvent[]): Promise<void> {
  const prefix = `${destinationAggregate.name}/`;
  const asked: { readonly destination: Destination; readonly position: bigint }[] = [];
  const closed: string[] = [];
  for (const { stream, data, position } of events as readonly StoredEvent<DestinationEvent>[]) {
    if (!stream.startsWith(prefix)) continue;
    if (data.type === 'destination_requested') asked.push({ destination: data.destination, position });
    const isRejected = data.type === 'destination_reviewed' && data.decision === 'reject';
    if (isRejected || data.type === 'destination_removed') closed.push(stream.slice(prefix.length));
  }
  if (closed.length > 0)
    await session.query('UPDATE destinations SET is_open = false WHERE destination_id = ANY($1::text[])', [closed]);
  if (asked.length > 0) await insert(session, asked, new Set(closed));
}

async function insert(
  session: Session,
  asked: readonly { readonly destination: Destination; readonly position: bigint }[],
  closed: ReadonlySet<string>,
): Promise<void> {
  const destinations = asked.map(({ destination }) => destination);
  await session.query(
    `INSERT INTO destinations (destination_id, position, institution_id, place, address, is_open, nonce)
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::text[])`,
    [
      destinations.map(({ destinationId }) => destinationId),
      asked.map(({ position }) => position),
      destinations.map(({ institutionId }) => institutionId),
      destinations.map(({ place }) => placeName(place)),
      destinations.map(({ place }) => addressIn(place)),
      destinations.map(({ destinationId }) => !closed.has(destinationId)),
      destinations.map(({ request }) => request.nonce),
    ],
  );
}

/** Of a page of an institution's destinations, oldest first. */
export async function destinationPage(
  session: Session,
  institutionId: string,
  after: bigint,
  limit: number,
): Promise<readonly { readonly destinationId: string; readonly position: bigint }[]> {
  return session.query(
    `SELECT destination_id AS "destinationId", position FROM destinations
     WHERE institution_id = $1 AND position > $2 ORDER BY position LIMIT $3`,
    [institutionId, after, limit],
  );
}

/** Addresses issued to the institution that end like this one. */
export async function addressesEndingLike(
  session: Session,
  institutionId: string,
  address: string,
): Promise<readonly string[]> {
  const ending = address.slice(-ENDING);
  const rows = await session.query<{ address: string }>(
    `SELECT address FROM addresses WHERE institution_id = $1 AND right(address, ${ENDING}) = $2 ORDER BY position LIMIT ${ALIKE_MAX}`,
    [institutionId, ending],
  );
  return rows.map((row) => row.address);
}

const ENDING = 4;
/** One in a million ends so by chance. */
const ALIKE_MAX = 1_000;
