import type { EventReader, EventStore } from '@finality/event-store';
import type { RiskBody, RiskReply } from './commands.ts';

/** What the module hands to the risk service's handlers. */
export const RISK_STORE = Symbol('RiskStore');
export const RISK_READER = Symbol('RiskReader');
export const AUTHENTICATOR = Symbol('Authenticator');
export const LABEL_LOADER = Symbol('LabelLoader');

export type RiskStore = EventStore<RiskBody, RiskReply>;
export type RiskReader = Pick<EventReader, 'loadState'>;
