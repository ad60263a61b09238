import {
  type Approval,
  decideApproveDestination,
  decideRemoveDestination,
  decideRequestDestination,
  decideReviewDestination,
  type Destination,
  type DestinationEvent,
  type DestinationPlace,
  type KnownDestination,
  looksLike,
} from '@finality/address';
import type { Network } from '@finality/bitcoin';
import type { Batch, Handled, Session } from '@finality/event-store';
import { assertNever, type Decision, type Refusal } from '@finality/kernel';
import { destinationStream, destinationStreamOf, signatoriesStream, signatoriesStreamOf } from './streams.ts';

// Destinations in the issuer's store: what is asked for, who has looked at it, and what the signer has taken.

export type DestinationBody =
  /** Whether anything may be done for it. */
  | { readonly kind: 'check_institution'; readonly institutionId: string }
  | {
      readonly kind: 'note_signatory' | 'note_revocation';
      readonly institutionId: string;
      readonly address: string;
      readonly by: string;
    }
  | {
      readonly kind: 'request_destination';
      readonly institutionId: string;
      readonly destination: Omit<Destination, 'requestedAt'>;
      /** An address that it could be taken for, among those issued to the institution. */
      readonly looksLike?: string;
      /** What the signer has against it. Here all the same: a request that was granted before is only repeated. */
      readonly refusal?: Refusal;
    }
  | {
      readonly kind: 'review_destination';
      readonly destinationId: string;
      readonly decision: 'approve' | 'reject';
      readonly reason: string;
      readonly by: string;
    }
  | {
      readonly kind: 'approve_destination';
      readonly destinationId: string;
      /** By the signer, or what it has against it. */
      readonly approval: Approval | { readonly refusal: Refusal };
    }
  | { readonly kind: 'remove_destination'; readonly destinationId: string; readonly by: string };

export type DestinationReply =
  { readonly kind: 'done' } | { readonly kind: 'destination'; readonly destination: KnownDestination };

const KINDS: readonly string[] = [
  'check_institution',
  'note_signatory',
  'note_revocation',
  'request_destination',
  'review_destination',
  'approve_destination',
  'remove_destination',
] satisfies readonly DestinationBody['kind'][];

export const isDestinationBody = (body: { readonly kind: string }): body is DestinationBody =>
  KINDS.includes(body.kind);

interface Open {
  readonly destinationId: string;
  readonly institutionId: string;
  readonly place: string;
  /** Empty where it is a wallet. */
  readonly address: string;
}

/** What a batch knows of destinations, kept up to date within it. */
export interface DestinationWorld {
  /** Neither removed nor rejected: of the institutions concerned, and those of the places asked for. */
  readonly open: Map<string, Open>;
  /** Institutions that scripts were issued to. */
  readonly issuedTo: ReadonlyMap<string, string>;
  /** By institution and nonce. */
  readonly nonces: Set<string>;
}

export function destinationStreamsOf(body: DestinationBody): readonly string[] {
  switch (body.kind) {
    case 'check_institution':
      return [];
    case 'note_signatory':
    case 'note_revocation':
      return [signatoriesStreamOf(body.institutionId)];
    case 'request_destination':
      return [destinationStreamOf(body.destination.destinationId)];
    default:
      return [destinationStreamOf(body.destinationId)];
  }
}

export async function loadDestinations(
  session: Session,
  bodies: readonly DestinationBody[],
): Promise<DestinationWorld> {
  const asked = bodies.flatMap((body) => (body.kind === 'request_destination' ? [body.destination] : []));
  if (asked.length === 0) return { open: new Map(), issuedTo: new Map(), nonces: new Set() };
  const institutions = [...new Set(asked.map(({ institutionId }) => institutionId))];
  const places = asked.map(({ place }) => placeName(place));
  const open = await session.query<Open>(
    `SELECT destination_id AS "destinationId", institution_id AS "institutionId", place, address FROM destinations
     WHERE is_open AND (institution_id = ANY($1::text[]) OR place = ANY($2::text[]))`,
    [institutions, places],
  );
  const issued = await session.query<{ script: string; institution_id: string }>(
    'SELECT script, institution_id FROM addresses WHERE script = ANY($1::text[])',
    [places],
  );
  const nonces = await session.query<{ institution_id: string; nonce: string }>(
    'SELECT institution_id, nonce FROM destinations WHERE institution_id = ANY($1::text[]) AND nonce = ANY($2::text[])',
    [institutions, asked.map(({ request }) => request.nonce)],
  );
  return {
    open: new Map(open.map((each) => [each.destinationId, each])),
    issuedTo: new Map(issued.map((row) => [row.script, row.institution_id])),
    nonces: new Set(nonces.map((row) => nonceKey(row.institution_id, row.nonce))),
  };
}

export function handleDestination(
  body: DestinationBody,
  world: DestinationWorld,
  batch: Batch,
  network: Network,
): Handled<DestinationReply> {
  switch (body.kind) {
    case 'check_institution':
      return DONE;
    case 'note_signatory': {
      const { institutionId, address, by } = body;
      const { signatories } = batch.state(signatoriesStream, institutionId);
      const noted = { type: 'signatory_noted', institutionId, address, by, at: batch.now } as const;
      if (signatories.every((each) => each.address !== address)) batch.append(signatoriesStream, institutionId, noted);
      return DONE;
    }
    case 'note_revocation': {
      const { institutionId, address, by } = body;
      const { signatories } = batch.state(signatoriesStream, institutionId);
      const noted = { type: 'signatory_revocation_noted', institutionId, address, by, at: batch.now } as const;
      const isThere = signatories.some((each) => each.address === address && each.revokedAt === undefined);
      if (isThere) batch.append(signatoriesStream, institutionId, noted);
      return DONE;
    }
    case 'request_destination':
      return request(body, world, batch, network);
    case 'review_destination': {
      const state = batch.state(destinationStream, body.destinationId);
      return recorded(
        body.destinationId,
        decideReviewDestination(body.destinationId, body, state, batch.now),
        world,
        batch,
      );
    }
    case 'approve_destination': {
      const { destinationId, approval } = body;
      if ('refusal' in approval) return { kind: 'refused', refusal: approval.refusal };
      const state = batch.state(destinationStream, destinationId);
      return recorded(destinationId, decideApproveDestination(destinationId, approval, state, batch.now), world, batch);
    }
    case 'remove_destination': {
      const state = batch.state(destinationStream, body.destinationId);
      return recorded(
        body.destinationId,
        decideRemoveDestination(body.destinationId, body.by, state, batch.now),
        world,
        batch,
      );
    }
    default:
      return assertNever(body, 'destination command');
  }
}

const DONE: Handled<DestinationReply> = { kind: 'accepted', reply: { kind: 'done' } };

function request(
  { destination, looksLike: issuedAlike, refusal }: Extract<DestinationBody, { kind: 'request_destination' }>,
  world: DestinationWorld,
  batch: Batch,
  network: Network,
): Handled<DestinationReply> {
  if (refusal) return { kind: 'refused', refusal };
  const { destinationId, institutionId } = destination;
  const place = placeName(destination.place);
  const address = addressIn(destination.place);
  const own = [...world.open.values()].filter((each) => each.institutionId === institutionId);
  const lookAlike = (each: Open): boolean =>
    each.address !== '' && address !== '' && looksLike(each.address, address, network);
  const alike = issuedAlike ?? own.find(lookAlike)?.address;
  const issuedTo = world.issuedTo.get(place);
  const listedBy = [...world.open.values()].find((each) => each.place === place)?.institutionId;
  const nonce = nonceKey(institutionId, destination.request.nonce);
  const facts = {
    ...(issuedTo !== undefined && { issuedTo }),
    ...(listedBy !== undefined && { listedBy }),
    ...(alike !== undefined && { looksLike: alike }),
    isReplayed: world.nonces.has(nonce),
    count: own.length,
  };
  const decision = decideRequestDestination({ ...destination, requestedAt: batch.now }, facts);
  if (decision.kind === 'accepted') {
    world.open.set(destinationId, { destinationId, institutionId, place, address });
    world.nonces.add(nonce);
  }
  return recorded(destinationId, decision, world, batch);
}

function recorded(
  destinationId: string,
  decision: Decision<DestinationEvent, Refusal>,
  world: DestinationWorld,
  batch: Batch,
): Handled<DestinationReply> {
  if (decision.kind === 'refused') return { kind: 'refused', refusal: decision.refused };
  const { events } = decision;
  const state =
    events.length > 0
      ? batch.append(destinationStream, destinationId, ...events)
      : batch.state(destinationStream, destinationId);
  if (state.status === 'none') return DONE;
  if (state.status === 'removed' || state.status === 'rejected') world.open.delete(destinationId);
  return { kind: 'accepted', reply: { kind: 'destination', destination: state } };
}

/** What only one destination that is neither removed nor rejected can have: a script, or a wallet. */
export const placeName = (place: DestinationPlace): string => (place.kind === 'script' ? place.script : place.walletId);

/** Empty where it is a wallet. */
export const addressIn = (place: DestinationPlace): string => (place.kind === 'script' ? place.address : '');

/** Ids of institutions have no spaces. */
const nonceKey = (institutionId: string, nonce: string): string => `${institutionId} ${nonce}`;
