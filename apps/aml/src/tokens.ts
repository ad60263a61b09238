import type { EventReader, EventStore } from '@finality/event-store';
import type { AmlBody, AmlReply } from './commands.ts';

/** What the module hands to the AML service's handlers. */
export const AML_STORE = Symbol('AmlStore');
export const AML_READER = Symbol('AmlReader');
export const AUTHENTICATOR = Symbol('Authenticator');

export type AmlStore = EventStore<AmlBody, AmlReply>;
export type AmlReader = Pick<EventReader, 'loadState'>;
