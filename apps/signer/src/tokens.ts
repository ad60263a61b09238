import type { EventReader, EventStore } from '@finality/event-store';
import type { SignerBody, SignerReply } from './signer.handler.ts';

/** What the module hands to the signer's handlers. */
export const KEYRING = Symbol('Keyring');
export const SIGNER_STORE = Symbol('SignerStore');
export const SIGNER_READER = Symbol('SignerReader');

export type SignerStore = EventStore<SignerBody, SignerReply>;
export type SignerReader = Pick<EventReader, 'loadState' | 'loadStates'>;
