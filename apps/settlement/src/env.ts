import type { addressV1, ServicePort, signingV1 } from '@finality/contracts';
import type { EventReader, EventStore } from '@finality/event-store';
import type { ServiceEnv } from '@finality/service';
import type { SettlementConfig } from './config.ts';
import type { SettlementCommand, SettlementReply } from './store/commands.ts';

/** What the settlement service lives on: its own schema, and two services of ours that it calls. */
export interface SettlementEnv extends ServiceEnv<SettlementConfig> {
  readonly addresses: ServicePort<addressV1.InternalAddressServiceServer>;
  readonly signer: Pick<
    ServicePort<signingV1.SigningServiceServer>,
    | 'signTransaction'
    | 'recordHandOut'
    | 'checkDestinations'
    | 'checkApprovals'
    | 'releaseCoins'
    | 'listJournal'
    | 'listSigned'
    | 'raiseEpoch'
    | 'signLedgerHead'
  >;
}

export const SETTLEMENT_SCHEMA = 'settlement';

export const STORE = Symbol('SettlementStore');
export const READER = Symbol('EventReader');
export const AUTHENTICATOR = Symbol('Authenticator');

export type SettlementStore = EventStore<SettlementCommand, SettlementReply>;
export type SettlementReader = EventReader;
