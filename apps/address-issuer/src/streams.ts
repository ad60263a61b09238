import {
  challengeAggregate,
  destinationAggregate,
  type DestinationEvent,
  type DestinationState,
  signatoriesAggregate,
  type SignatoriesState,
  type SignatoryNoted,
  type ChallengeEvent,
  type ChallengeState,
  institutionAggregate,
  type InstitutionEvent,
  type InstitutionState,
  NO_INDICES,
  type PerBranch,
  walletAggregate,
  type WalletEvent,
  type WalletState,
} from '@finality/address';
import { addressV1, encoded, type Topic, TOPICS } from '@finality/contracts';
import type { AnyStreamType, PublicMessage, StreamType } from '@finality/event-store';
import type { WalletInUse } from './commands.ts';
import { destinationMessage } from './destination-messages.ts';
import { addressMessage, walletMessage } from './messages.ts';

export const institutionStream: StreamType<InstitutionState, InstitutionEvent> = {
  aggregate: institutionAggregate,
  institutions: () => [],
  publish: () => [],
};

/** Others get to know registered wallets and issued addresses; keys on their way and how far derivation is checked are our own business. */
export const walletStream: StreamType<WalletState, WalletEvent> = {
  aggregate: walletAggregate,
  institutions: ({ concerns }) => concerns,
  publish(event, state) {
    switch (event.type) {
      case 'wallet_registered': {
        const scanning = state.status === 'registered' && state.scanning;
        return [walletChanged({ wallet: event.wallet, scanning }, NO_INDICES)];
      }
      // The watch goes on from there.
      case 'indices_skipped':
        return state.status === 'registered' ? [walletChanged(state, event.next)] : [];
      // Who pays from it waits until it is caught up with.
      case 'watch_extended':
        return state.status === 'registered' && event.scanning !== event.wasScanning
          ? [walletChanged(state, state.next)]
          : [];
      case 'address_issued': {
        const message = encoded(addressV1.AddressIssued, { address: addressMessage(event.address) });
        return [messageOf(TOPICS.address, event.address.walletId, message)];
      }
      default:
        return [];
    }
  },
};

/** Between the institution and us: the signature is kept, and told nobody. */
export const challengeStream: StreamType<ChallengeState, ChallengeEvent> = {
  aggregate: challengeAggregate,
  institutions: (state) => (state.status === 'none' ? [] : [state.challenge.institutionId]),
  publish: () => [],
};

export const destinationStream: StreamType<DestinationState, DestinationEvent> = {
  aggregate: destinationAggregate,
  institutions: (state) => (state.status === 'none' ? [] : [state.destination.institutionId]),
  publish(_event, state) {
    if (state.status === 'none') return [];
    const changed = encoded(addressV1.DestinationChanged, { destination: destinationMessage(state) });
    return [messageOf(TOPICS.destination, state.destination.destinationId, changed)];
  },
};

export const signatoriesStream: StreamType<SignatoriesState, SignatoryNoted> = {
  aggregate: signatoriesAggregate,
  institutions: () => [],
  publish: () => [],
};

function walletChanged(inUse: WalletInUse, { external, internal }: PerBranch): PublicMessage {
  const changed = { wallet: walletMessage(inUse), externalUsed: external, internalUsed: internal };
  return messageOf(TOPICS.wallet, inUse.wallet.walletId, encoded(addressV1.WalletChanged, changed));
}

function messageOf(topic: Topic, orderingKey: string, payload: Uint8Array): PublicMessage {
  return { topic: topic.name, orderingKey, type: topic.message, schemaVersion: 1, payload };
}

export const institutionStreamOf = (institutionId: string): string => `${institutionAggregate.name}/${institutionId}`;

export const walletStreamOf = (walletId: string): string => `${walletAggregate.name}/${walletId}`;

export const challengeStreamOf = (challengeId: string): string => `${challengeAggregate.name}/${challengeId}`;

export const destinationStreamOf = (destinationId: string): string => `${destinationAggregate.name}/${destinationId}`;

export const signatoriesStreamOf = (institutionId: string): string => `${signatoriesAggregate.name}/${institutionId}`;

/** Every type of stream in this service's store. */
export const STREAMS: readonly AnyStreamType[] = [
  institutionStream,
  walletStream,
  challengeStream,
  destinationStream,
  signatoriesStream,
];
