export * from './generated/finality/reconciliation/v1/reconciliation_events.ts';
export * from './generated/finality/reconciliation/v1/reconciliation_service.ts';
