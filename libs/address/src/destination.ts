import type { ScriptHex } from '@finality/bitcoin';
import { type Aggregate, assert, assertNever, type Instant } from '@finality/kernel';
import type { SignedStatement } from '@finality/signing';

/** A single script outside, or a wallet here whose keys are the institution's own. */
export type DestinationPlace =
  | { readonly kind: 'script'; readonly address: string; readonly script: ScriptHex }
  /** Canonical, both branches in one, for the signer; and the external one, which signatories sign for. */
  | { readonly kind: 'wallet'; readonly walletId: string; readonly descriptor: string; readonly external: string };

/** Where an institution wants to be paid. */
export interface Destination {
  readonly destinationId: string;
  readonly institutionId: string;
  readonly place: DestinationPlace;
  readonly label: string;
  readonly request: SignedStatement;
  /** API key. */
  readonly requestedBy: string;
  readonly requestedAt: Instant;
}

export type DestinationState =
  | { readonly status: 'none' }
  | ({ readonly destination: Destination; readonly updatedAt: Instant } & (
      | { readonly status: 'pending' }
      /** `reason`: what a compliance officer has to look at first. */
      | { readonly status: 'held' | 'rejected'; readonly reason: string }
      /** `approval`: of the second signatory. */
      | {
          readonly status: 'listed';
          readonly approvedBy: string;
          readonly approval: SignedStatement;
          readonly usableAt: Instant;
        }
      | { readonly status: 'removed' }
    ));

/** One that was asked for. */
export type KnownDestination = Exclude<DestinationState, { status: 'none' }>;

export type DestinationEvent = { readonly at: Instant } & (
  | { readonly type: 'destination_requested'; readonly destination: Destination; readonly heldFor?: string }
  | {
      readonly type: 'destination_reviewed';
      readonly decision: 'approve' | 'reject';
      readonly reason: string;
      readonly by: string;
    }
  /** In the signer's registry from then on, usable by its clock. */
  | {
      readonly type: 'destination_approved';
      readonly approval: SignedStatement;
      readonly by: string;
      readonly usableAt: Instant;
    }
  | { readonly type: 'destination_removed'; readonly by: string }
);

export const destinationAggregate: Aggregate<DestinationState, DestinationEvent> = {
  name: 'destination',
  initialState: { status: 'none' },
  evolve(state, event) {
    const updatedAt = event.at;
    if (event.type === 'destination_requested') {
      assert(state.status === 'none', 'a destination is asked for once');
      const { destination, heldFor } = event;
      return heldFor === undefined
        ? { status: 'pending', destination, updatedAt }
        : { status: 'held', destination, updatedAt, reason: heldFor };
    }
    assert(state.status !== 'none', 'the destination does not exist');
    const { destination } = state;
    switch (event.type) {
      case 'destination_reviewed':
        assert(state.status === 'held', `a destination that is ${state.status} isn't reviewed`);
        return event.decision === 'approve'
          ? { status: 'pending', destination, updatedAt }
          : { status: 'rejected', destination, updatedAt, reason: event.reason };
      case 'destination_approved':
        assert(state.status === 'pending', `a destination that is ${state.status} isn't approved`);
        return {
          status: 'listed',
          destination,
          updatedAt,
          approvedBy: event.by,
          approval: event.approval,
          usableAt: event.usableAt,
        };
      case 'destination_removed':
        return { status: 'removed', destination, updatedAt };
      default:
        return assertNever(event, 'destination event');
    }
  },
};

/** Whether it can be paid only if this signatory's word still counts: it isn't approved yet, or cools. */
export function needsSignatory(state: DestinationState, address: string, now: Instant): boolean {
  switch (state.status) {
    case 'pending':
    case 'held':
      return state.destination.request.signatory === address;
    case 'listed':
      return (
        now < state.usableAt &&
        [state.destination.request, state.approval].some(({ signatory }) => signatory === address)
      );
    default:
      return false;
  }
}

/** Somebody who signs, or has signed, for an institution. */
export interface NotedSignatory {
  readonly address: string;
  readonly registeredAt: Instant;
  /** Missing while it signs. */
  readonly revokedAt?: Instant;
}

/** Who signs for an institution, as the signer has taken them. */
export interface SignatoriesState {
  readonly signatories: readonly NotedSignatory[];
}

export interface SignatoryNoted {
  readonly type: 'signatory_noted' | 'signatory_revocation_noted';
  readonly institutionId: string;
  readonly address: string;
  readonly by: string;
  readonly at: Instant;
}

export const signatoriesAggregate: Aggregate<SignatoriesState, SignatoryNoted> = {
  name: 'signatories',
  initialState: { signatories: [] },
  evolve({ signatories }, event) {
    const { address, at } = event;
    switch (event.type) {
      case 'signatory_noted':
        return { signatories: [...signatories, { address, registeredAt: at }] };
      case 'signatory_revocation_noted':
        return {
          signatories: signatories.map((each) => (each.address === address ? { ...each, revokedAt: at } : each)),
        };
      default:
        return assertNever(event.type, 'event of signatories');
    }
  },
};
