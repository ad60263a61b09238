export * from './generated/finality/ledger/v1/ledger_service.ts';
