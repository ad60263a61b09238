import type { ledgerV1, ServicePort, signingV1 } from '@finality/contracts';
import type { EventReader, EventStore } from '@finality/event-store';
import type { Run } from '@finality/reconciliation';
import type { ReconciliationCommand } from './commands.ts';

export type ReconciliationStore = EventStore<ReconciliationCommand, Run>;
/** Where the ledger's cut comes from. */
export type LedgerPort = ServicePort<ledgerV1.InternalLedgerServiceServer>;
/** Where the signer's journal comes from. */
export type JournalPort = Pick<ServicePort<signingV1.SigningServiceServer>, 'listJournal'>;

export const STORE = Symbol('ReconciliationStore');
export const READER = Symbol('ReconciliationReader');
export const AUTHENTICATOR = Symbol('ReconciliationAuthenticator');
export const RUNNER = Symbol('ReconciliationRunner');

export type ReconciliationReader = EventReader;
