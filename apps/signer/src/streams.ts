import type { AnyStreamType, StreamType } from '@finality/event-store';
import {
  accountAggregate,
  approvalRulesAggregate,
  type ApprovalRulesState,
  type ApprovalsRequired,
  type AccountEvent,
  type AccountState,
  epochAggregate,
  type EpochRaised,
  type EpochState,
  destinationAggregate,
  type DestinationEvent,
  type DestinationState,
  signatoriesAggregate,
  type SignatoriesState,
  type SignatoriesEvent,
  ledgerHeadsAggregate,
  type LedgerHeadsEvent,
  type LedgerHeadsState,
  lineageAggregate,
  type LineageEvent,
  type LineageState,
} from '@finality/signing';

// The signer tells nobody anything by itself: it publishes no messages.

export const signatoriesStream: StreamType<SignatoriesState, SignatoriesEvent> = {
  aggregate: signatoriesAggregate,
  institutions: () => [],
  publish: () => [],
};

export const destinationStream: StreamType<DestinationState, DestinationEvent> = {
  aggregate: destinationAggregate,
  institutions: (state) => ('destination' in state && state.destination ? [state.destination.institutionId] : []),
  publish: () => [],
};

export const approvalRulesStream: StreamType<ApprovalRulesState, ApprovalsRequired> = {
  aggregate: approvalRulesAggregate,
  institutions: () => [],
  publish: () => [],
};

export const accountStream: StreamType<AccountState, AccountEvent> = {
  aggregate: accountAggregate,
  institutions: ({ account }) => (account ? [account.institutionId] : []),
  publish: () => [],
};

export const lineageStream: StreamType<LineageState, LineageEvent> = {
  aggregate: lineageAggregate,
  institutions: () => [],
  publish: () => [],
};

export const ledgerHeadsStream: StreamType<LedgerHeadsState, LedgerHeadsEvent> = {
  aggregate: ledgerHeadsAggregate,
  institutions: () => [],
  publish: () => [],
};

/** There is one ledger. */
export const LEDGER_ID = 'ledger';

export const accountStreamOf = (walletId: string): string => `${accountAggregate.name}/${walletId}`;

export const lineageStreamOf = (lineageId: string): string => `${lineageAggregate.name}/${lineageId}`;

export const epochStream: StreamType<EpochState, EpochRaised> = {
  aggregate: epochAggregate,
  institutions: () => [],
  publish: () => [],
};

/** There is one settlement store. */
export const EPOCH_ID = 'settlement';

export const epochStreamKey = `${epochAggregate.name}/${EPOCH_ID}`;

export const signatoriesStreamOf = (institutionId: string): string => `${signatoriesAggregate.name}/${institutionId}`;

export const approvalRulesStreamOf = (institutionId: string): string =>
  `${approvalRulesAggregate.name}/${institutionId}`;

export const destinationStreamOf = (destinationId: string): string => `${destinationAggregate.name}/${destinationId}`;

/** Every type of stream in this service's store. */
export const STREAMS: readonly AnyStreamType[] = [
  accountStream,
  lineageStream,
  signatoriesStream,
  approvalRulesStream,
  destinationStream,
  epochStream,
  ledgerHeadsStream,
];
