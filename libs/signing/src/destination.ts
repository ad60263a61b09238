import {
  accept,
  type Aggregate,
  assert,
  assertNever,
  type Decision,
  type Instant,
  refusal,
  refuse,
  type Refusal,
} from '@finality/kernel';
import { type Refused, refusedBy } from './rules.ts';
import { type Place, placeOf, placeText, samePlace, subjectOf, type WantedPlace } from './place.ts';
import { type SignatoriesState, signatoryNamed } from './signatories.ts';
import { type SignedStatement, type StatementFacts, statementRefusal, type StatementWanted } from './statement.ts';

/** A single script, or a wallet of its own keys, that an institution may be paid at. */
export interface RegisteredDestination {
  readonly destinationId: string;
  readonly institutionId: string;
  readonly place: Place;
  /** By the signer's clock. */
  readonly usableAt: Instant;
  /** The signatories who asked for it and approved it. */
  readonly signatories: readonly string[];
}

export type DestinationState =
  | { readonly status: 'none' }
  | { readonly status: 'registered'; readonly destination: RegisteredDestination }
  /** For good: registered again it is another. */
  | { readonly status: 'removed'; readonly destination?: RegisteredDestination };

export type DestinationEvent = { readonly at: Instant } & (
  | {
      readonly type: 'destination_registered';
      readonly destination: RegisteredDestination;
      readonly request: SignedStatement;
      readonly approval: SignedStatement;
      /** API keys, as whoever asked them told. */
      readonly requestedBy: string;
      readonly approvedBy: string;
    }
  | { readonly type: 'destination_removed' }
);

/** The signer's registry of destinations: one stream each. */
export const destinationAggregate: Aggregate<DestinationState, DestinationEvent> = {
  name: 'destination',
  initialState: { status: 'none' },
  evolve(state, event) {
    switch (event.type) {
      case 'destination_registered':
        assert(state.status === 'none', 'a destination is registered once');
        return { status: 'registered', destination: event.destination };
      case 'destination_removed':
        assert(state.status !== 'removed', 'a destination is removed once');
        return { status: 'removed', ...(state.status === 'registered' && { destination: state.destination }) };
      default:
        return assertNever(event, 'destination event');
    }
  },
};

/** What an institution asks to be paid at. */
export interface DestinationRequest {
  readonly institutionId: string;
  readonly wanted: WantedPlace;
  readonly request: SignedStatement;
}

/** With the second person's approval. */
export interface RegisterDestination extends DestinationRequest {
  readonly destinationId: string;
  readonly requestedBy: string;
  readonly approvedBy: string;
  readonly approval: SignedStatement;
}

export interface DestinationFacts extends StatementFacts {
  readonly signatories: SignatoriesState;
  /** Between the second person's approval and the first payment. */
  readonly coolingMs: number;
}

/** Whether the request alone would do, if somebody approved it now. */
export function requestRefusal(
  { institutionId, wanted, request }: DestinationRequest,
  facts: DestinationFacts,
): Refusal | undefined {
  const place = placeOf(wanted, facts.network);
  if (!place.ok) return place.error;
  return signedBy({ purpose: 'register destination', institutionId, ...subjectOf(place.value) }, request, facts);
}

/**
 * A destination on the list, usable when it has cooled. Both signatures are verified against signatories that only the signer's own registry
 * knows: nobody else can add to what may be paid. Repeating it changes nothing.
 */
export function decideRegisterDestination(
  command: RegisterDestination,
  state: DestinationState,
  facts: DestinationFacts,
): Decision<DestinationEvent, Refusal> {
  const { destinationId, institutionId, wanted, request, approval, requestedBy, approvedBy } = command;
  const parsed = placeOf(wanted, facts.network);
  if (!parsed.ok) return refuse(parsed.error);
  const place = parsed.value;
  if (state.status === 'removed') return refuse(removed(destinationId));
  if (state.status === 'registered') {
    const { destination } = state;
    if (destination.institutionId === institutionId && samePlace(destination.place, place)) return accept();
    return refuse(
      refusal(
        'already_exists',
        'DESTINATION_DIFFERS',
        `destination ${destinationId} is ${placeText(destination.place)}`,
      ),
    );
  }
  const wrong =
    requestRefusal(command, facts) ??
    selfApproved(command) ??
    signedBy(
      { purpose: 'approve destination', institutionId, ...subjectOf(place) },
      approval,
      request.nonce === approval.nonce ? { ...facts, isUsed: () => true } : facts,
    );
  if (wrong) return refuse(wrong);
  const usableAt = (facts.now + facts.coolingMs) as Instant;
  return accept<DestinationEvent>({
    type: 'destination_registered',
    at: facts.now,
    destination: {
      destinationId,
      institutionId,
      place,
      usableAt,
      signatories: [request.signatory, approval.signatory],
    },
    request,
    approval,
    requestedBy,
    approvedBy,
  });
}

/** At once, and also before it was registered: whatever comes later about it is late. */
export function decideRemoveDestination(
  { institutionId, destinationId }: { readonly institutionId: string; readonly destinationId: string },
  state: DestinationState,
  now: Instant,
): Decision<DestinationEvent, Refusal> {
  if (state.status === 'removed') return accept();
  if (state.status === 'registered' && state.destination.institutionId !== institutionId)
    return refuse(refusal('not_found', 'UNKNOWN_DESTINATION', `${institutionId} has no destination ${destinationId}`));
  return accept<DestinationEvent>({ type: 'destination_removed', at: now });
}

/** Whether it may be paid now, for the first time. */
export function usableRefusal(
  state: DestinationState,
  { institutionId, destinationId }: { readonly institutionId: string; readonly destinationId: string },
  now: Instant,
  { revoked }: Pick<SignatoriesState, 'revoked'>,
): Refused | undefined {
  const { destination } = state.status === 'none' ? { destination: undefined } : state;
  if (state.status === 'removed' && (!destination || destination.institutionId === institutionId))
    return refusedBy('DESTINATION_REMOVED', `destination ${destinationId} was removed`);
  if (!destination || destination.institutionId !== institutionId)
    return refusedBy('UNKNOWN_DESTINATION', `${institutionId} has no destination ${destinationId}`);
  // That is what it cools for: keys that are found to be lost meanwhile have approved nothing.
  const withdrawn = revoked.find(
    ({ address, at }) => destination.signatories.includes(address) && at < destination.usableAt,
  );
  if (withdrawn !== undefined)
    return refusedBy('DESTINATION_SIGNATORY_REVOKED', `${withdrawn.address} was revoked before it was usable`);
  if (now >= destination.usableAt) return undefined;
  return refusedBy(
    'DESTINATION_COOLING',
    `destination ${destinationId} is usable ${destination.usableAt - now} ms later`,
  );
}

/** Two keys of the API, and two signatories. */
function selfApproved({ request, approval, requestedBy, approvedBy }: RegisterDestination): Refusal | undefined {
  if (request.signatory !== approval.signatory && requestedBy !== approvedBy) return undefined;
  return refusal('permission_denied', 'APPROVED_BY_REQUESTER', 'expected somebody else to approve than who asked');
}

function signedBy(statement: StatementWanted, signed: SignedStatement, facts: DestinationFacts): Refusal | undefined {
  const signatory = signatoryNamed(facts.signatories, statement, signed.signatory, facts.network);
  return signatory.ok ? statementRefusal(statement, signed, signatory.value.script, facts) : signatory.error;
}

const removed = (destinationId: string): Refusal =>
  refusal('failed_precondition', 'DESTINATION_REMOVED', `destination ${destinationId} was removed`);
