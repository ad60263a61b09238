export * from './generated/finality/ledger/v1/ledger_events.ts';
export * from './generated/finality/ledger/v1/ledger_service.ts';
